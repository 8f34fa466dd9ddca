/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "source.h"

#include "_cgo_export.h"

/* Settings are read when the element starts, so they can be changed until then. */
#define SETTING (G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define READ_WRITE (G_PARAM_READWRITE | SETTING)

void
xp2p_src_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstState state;

  GST_OBJECT_LOCK (object);
  state = GST_STATE (object);
  GST_OBJECT_UNLOCK (object);
  if (state > GST_STATE_READY) {
    g_warning ("%s: property '%s' cannot be changed while the element runs; "
        "set it to READY or NULL first", GST_OBJECT_NAME (object), pspec->name);
    return;
  }
  switch (G_VALUE_TYPE (value)) {
    case G_TYPE_STRING:
      xp2pSrcSetString (object, id, (gchar *) g_value_get_string (value));
      break;
    case G_TYPE_BOOLEAN:
      xp2pSrcSetNumber (object, id, g_value_get_boolean (value));
      break;
    case G_TYPE_INT:
      xp2pSrcSetNumber (object, id, g_value_get_int (value));
      break;
    case G_TYPE_UINT:
      xp2pSrcSetNumber (object, id, g_value_get_uint (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

void
xp2p_src_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  switch (G_VALUE_TYPE (value)) {
    case G_TYPE_STRING:
      g_value_take_string (value, xp2pSrcGetString (object, id));
      break;
    case G_TYPE_BOOLEAN:
      g_value_set_boolean (value, xp2pSrcGetNumber (object, id) != 0);
      break;
    case G_TYPE_INT:
      g_value_set_int (value, (gint) xp2pSrcGetNumber (object, id));
      break;
    case G_TYPE_UINT:
      g_value_set_uint (value, (guint) xp2pSrcGetNumber (object, id));
      break;
    default:
      if (id == XP2P_PROP_STATS)
        g_value_take_boxed (value, xp2pSrcStats (object));
      else
        G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

void
xp2p_src_install_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, XP2P_PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "Camera and stream: xp2p://PRODUCT/DEVICE?action=live&channel=0&quality=high; "
          "may also carry _rendezvous=, _app= and _xp2p_info=; "
          "or an http-flv stream: xp2p+https://HOST/PATH.flv, which may carry _code_url= "
          "or _swarm=on where its viewers carry each other", NULL, READ_WRITE));
  g_object_class_install_property (klass, XP2P_PROP_RENDEZVOUS,
      g_param_spec_string ("rendezvous", "Rendezvous",
          "URL that `xp2p rendezvous` prints (unset: URI parameter _rendezvous, "
          "then environment variable XP2P_RENDEZVOUS)", NULL, READ_WRITE));
  g_object_class_install_property (klass, XP2P_PROP_APP,
      g_param_spec_string ("app", "Account file",
          "Path of the account's app.json (unset: URI parameter _app, then "
          "environment variable XP2P_APP)", NULL, READ_WRITE));
  /* Whoever can read it can use the camera, and pipelines print what they can read. */
  g_object_class_install_property (klass, XP2P_PROP_XP2P_INFO,
      g_param_spec_string ("xp2p-info", "xp2pInfo",
          "The camera's grant, XP2P...%version (unset: URI parameter _xp2p_info, "
          "then environment variable XP2P_INFO)", NULL, G_PARAM_WRITABLE | SETTING));
  g_object_class_install_property (klass, XP2P_PROP_PARAMS,
      g_param_spec_string ("params", "Stream parameters",
          "Query of the stream's request, for what location does not say",
          XP2P_DEFAULT_PARAMS, READ_WRITE));
  /* It holds the code, and whoever has the code can see the stream. */
  g_object_class_install_property (klass, XP2P_PROP_CODE_URL,
      g_param_spec_string ("code-url", "Code URL",
          "Where the key of a sealed stream of many viewers (1vN) is looked up, as "
          "`xp2p source --seal` prints it; joins the swarm as swarm=true does "
          "(unset: URI parameter _code_url)", NULL, G_PARAM_WRITABLE | SETTING));
  g_object_class_install_property (klass, XP2P_PROP_SWARM,
      g_param_spec_boolean ("swarm", "Swarm",
          "Take an http-flv stream of `xp2p source` from its other viewers too, and give "
          "it on to them (1vN); a plain one comes as ever (URI parameter _swarm=on)",
          XP2P_DEFAULT_SWARM, READ_WRITE));
  g_object_class_install_property (klass, XP2P_PROP_UPLOAD,
      g_param_spec_boolean ("upload", "Upload",
          "In a swarm, give the stream on to other viewers",
          XP2P_DEFAULT_UPLOAD, READ_WRITE));
  g_object_class_install_property (klass, XP2P_PROP_RECONNECT,
      g_param_spec_boolean ("reconnect", "Reconnect",
          "Connect again by itself when the link or stream breaks",
          XP2P_DEFAULT_RECONNECT, READ_WRITE));
  g_object_class_install_property (klass, XP2P_PROP_RETRIES,
      g_param_spec_int ("retries", "Retries",
          "Attempts that may fail in a row before it is an error (-1 = no limit)",
          -1, G_MAXINT, XP2P_DEFAULT_RETRIES, READ_WRITE));
  g_object_class_install_property (klass, XP2P_PROP_RETRY_DELAY,
      g_param_spec_uint ("retry-delay", "Retry delay",
          "Wait before the first new attempt in ms; doubles with each failure in a row, "
          "to at most 10 s", 0, 3600 * 1000, XP2P_DEFAULT_RETRY_DELAY, READ_WRITE));
  g_object_class_install_property (klass, XP2P_PROP_TIMEOUT,
      g_param_spec_uint ("timeout", "Timeout",
          "Longest wait for the camera in ms, to connect and then for its next bytes, "
          "before that attempt has failed (0 = no limit)",
          0, G_MAXINT, XP2P_DEFAULT_TIMEOUT, READ_WRITE));
  g_object_class_install_property (klass, XP2P_PROP_LATENCY,
      g_param_spec_uint ("latency", "Latency",
          "Time in ms by which sinks play later than data arrives, to even out the network",
          0, G_MAXINT, XP2P_DEFAULT_LATENCY, READ_WRITE));
  g_object_class_install_property (klass, XP2P_PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Counts since the element started: bytes, buffers, bitrate, connections, retries, "
          "damaged; of the link: path, rtt, packets-sent, packets-lost; in a swarm: "
          "swarm-share, swarm-lag, swarm-parents, swarm-links and more",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}
