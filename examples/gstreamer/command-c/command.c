/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Watches a camera and sends it a command over the same link.
 *
 *   cc command.c -o command $(pkg-config --cflags --libs gstreamer-1.0)
 *   command PRODUCT/DEVICE 'action=inner_define&cmd=get_nvr_list'
 *
 * The account is in the environment: XP2P_RENDEZVOUS, XP2P_APP, XP2P_INFO.
 * GST_PLUGIN_PATH names the directory of libgstxp2p.so.
 */

#include <gst/gst.h>

typedef struct {
  GstElement *camera;
  GMainLoop *loop;
  const gchar *command;
  gint result;
} Program;

/* From a thread of its own. */
static void
on_reply (GstElement *camera, guint id, const GstStructure *reply, Program *program)
{
  g_print ("reply %u: %s: %s%s\n", id, gst_structure_get_string (reply, "type"),
      gst_structure_get_string (reply, "data"), gst_structure_get_string (reply, "errmsg"));
  program->result = g_strcmp0 (gst_structure_get_string (reply, "type"), "success") != 0;
  g_main_loop_quit (program->loop);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Program *program = data;
  const GstStructure *event = gst_message_get_structure (message);
  GError *error;
  guint id;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      g_printerr ("%s\n", error->message);
      g_error_free (error);
      g_main_loop_quit (program->loop);
      break;
    case GST_MESSAGE_ELEMENT:
      if (!gst_structure_has_name (event, "xp2p-event")
          || g_strcmp0 (gst_structure_get_string (event, "subtype"), "connected") != 0)
        break;
      g_print ("connected: %s\n", gst_structure_get_string (event, "path"));
      g_signal_emit_by_name (program->camera, "send-command", program->command, &id);
      g_print ("command %u sent\n", id);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

int
main (int argc, char **argv)
{
  Program program = { .result = 1 };
  GstElement *pipeline;
  GstBus *bus;
  gchar *location;
  guint watch;

  gst_init (&argc, &argv);
  if (argc != 3) {
    g_printerr ("usage: %s PRODUCT/DEVICE COMMAND\n", argv[0]);
    return 2;
  }
  pipeline = gst_parse_launch ("xp2psrc name=camera ! fakesink", NULL);
  if (!pipeline) {
    g_printerr ("no element xp2psrc: set GST_PLUGIN_PATH to the directory of libgstxp2p.so\n");
    return 2;
  }
  program.loop = g_main_loop_new (NULL, FALSE);
  program.command = argv[2];
  program.camera = gst_bin_get_by_name (GST_BIN (pipeline), "camera");
  location = g_strdup_printf ("xp2p://%s", argv[1]);
  g_object_set (program.camera, "location", location, NULL);
  g_signal_connect (program.camera, "command-reply", G_CALLBACK (on_reply), &program);
  bus = gst_element_get_bus (pipeline);
  watch = gst_bus_add_watch (bus, on_message, &program);

  if (gst_element_set_state (pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE)
    g_main_loop_run (program.loop);
  gst_element_set_state (pipeline, GST_STATE_NULL);

  g_source_remove (watch);
  gst_object_unref (bus);
  gst_object_unref (program.camera);
  gst_object_unref (pipeline);
  g_main_loop_unref (program.loop);
  g_free (location);
  return program.result;
}
