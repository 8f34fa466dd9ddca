/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "source.h"

#include "_cgo_export.h"

static guint reply_signal;

/* The reference is given up with the reply. */
static guint
send_command (GstElement *element, const gchar *command)
{
  return xp2pSrcSendCommand (gst_object_ref (element), (gchar *) command);
}

static void
reset (GstElement *element)
{
  xp2pSrcReset (element);
}

void
xp2p_src_emit_reply (gpointer src, guint id, GstStructure *reply)
{
  g_signal_emit (src, reply_signal, 0, id, reply);
  gst_structure_free (reply);
  gst_object_unref (src);
}

void
xp2p_src_install_signals (gpointer klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  /* GstXp2pSrc::send-command: sends a command to the camera behind those sent before,
   * and returns at once with a number that the reply will have. */
  g_signal_new_class_handler ("send-command", type,
      G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION, G_CALLBACK (send_command),
      NULL, NULL, NULL, G_TYPE_UINT, 1, G_TYPE_STRING);
  /* GstXp2pSrc::command-reply: what came of a command, a structure xp2p-reply; from a
   * thread of its own. */
  reply_signal = g_signal_new ("command-reply", type, G_SIGNAL_RUN_LAST, 0,
      NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_UINT,
      GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);
  /* GstXp2pSrc::reset: connects again at once, as after a change of network. */
  g_signal_new_class_handler ("reset", type,
      G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION, G_CALLBACK (reset),
      NULL, NULL, NULL, G_TYPE_NONE, 0);
}
