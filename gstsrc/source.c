/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "source.h"

#include "_cgo_export.h"

GST_DEBUG_CATEGORY_STATIC (xp2psrc_debug);
#define GST_CAT_DEFAULT xp2psrc_debug

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-flv"));

/* Settings are read when the element starts, so they can be changed until then. */
#define SETTING (G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define READ_WRITE (G_PARAM_READWRITE | SETTING)

static GstPushSrcClass *parent_class;

/* Properties */

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
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

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
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

static void
install_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, XP2P_PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "Camera and stream: xp2p://PRODUCT/DEVICE?action=live&channel=0&quality=high; "
          "may also carry _rendezvous=, _app= and _xp2p_info=", NULL, READ_WRITE));
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
          "Counts since the element started: bytes, buffers, connections, retries, damaged, path",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

/* Class functions */

static gboolean
start (GstBaseSrc *src)
{
  return xp2pSrcStart (src);
}

static gboolean
stop (GstBaseSrc *src)
{
  return xp2pSrcStop (src);
}

static gboolean
unlock (GstBaseSrc *src)
{
  xp2pSrcUnlock (src, TRUE);
  return TRUE;
}

static gboolean
unlock_stop (GstBaseSrc *src)
{
  xp2pSrcUnlock (src, FALSE);
  return TRUE;
}

static GstFlowReturn
create (GstPushSrc *src, GstBuffer **buffer)
{
  GstFlowReturn ret;

  while ((ret = xp2pSrcCreate (src, buffer)) == XP2P_FLOW_PAUSED) {
    ret = gst_base_src_wait_playing (GST_BASE_SRC (src));
    if (ret != GST_FLOW_OK)
      break;
  }
  return ret;
}

/* The base class wakes a create only to end the stream, not for a pause. This
 * source gives its stream up while it is paused, so that the camera sends none. */
static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING)
    xp2pSrcPause (element, FALSE);
  ret = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED)
    xp2pSrcPause (element, TRUE);
  return ret;
}

static gboolean
is_seekable (GstBaseSrc *src)
{
  return FALSE;
}

static gboolean
query (GstBaseSrc *src, GstQuery *query)
{
  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_LATENCY:
      gst_query_set_latency (query, gst_base_src_is_live (src),
          xp2pSrcGetNumber (src, XP2P_PROP_LATENCY) * GST_MSECOND,
          GST_CLOCK_TIME_NONE);
      return TRUE;
    case GST_QUERY_SCHEDULING:
      gst_query_set_scheduling (query, GST_SCHEDULING_FLAG_SEQUENTIAL |
          GST_SCHEDULING_FLAG_BANDWIDTH_LIMITED, 1, -1, 0);
      gst_query_add_scheduling_mode (query, GST_PAD_MODE_PUSH);
      return TRUE;
    default:
      return GST_BASE_SRC_CLASS (parent_class)->query (src, query);
  }
}

void
xp2p_src_class_init (gpointer klass)
{
  GObjectClass *object = G_OBJECT_CLASS (klass);
  GstElementClass *element = GST_ELEMENT_CLASS (klass);
  GstBaseSrcClass *base = GST_BASE_SRC_CLASS (klass);

  parent_class = g_type_class_peek_parent (klass);

  object->set_property = set_property;
  object->get_property = get_property;
  install_properties (object);

  gst_element_class_set_static_metadata (element, "X-P2P camera source",
      "Source/Network/Video/Audio",
      "Receives a camera's live FLV stream peer to peer through any NAT",
      "The xp2p project, https://github.com/xp2p/xp2p");
  gst_element_class_add_static_pad_template (element, &src_template);

  element->change_state = change_state;
  base->start = start;
  base->stop = stop;
  base->unlock = unlock;
  base->unlock_stop = unlock_stop;
  base->is_seekable = is_seekable;
  base->query = query;
  GST_PUSH_SRC_CLASS (klass)->create = create;
}

void
xp2p_src_instance_init (gpointer instance)
{
  gst_base_src_set_live (instance, TRUE);
  gst_base_src_set_format (instance, GST_FORMAT_TIME);
}

/* URI handler */

static GstURIType
uri_type (GType type)
{
  return GST_URI_SRC;
}

static const gchar *const *
uri_protocols (GType type)
{
  static const gchar *const protocols[] = { "xp2p", NULL };

  return protocols;
}

static gchar *
uri_get (GstURIHandler *handler)
{
  return xp2pSrcGetString (handler, XP2P_PROP_LOCATION);
}

static gboolean
uri_set (GstURIHandler *handler, const gchar *uri, GError **error)
{
  GstState state;
  gchar *problem;

  GST_OBJECT_LOCK (handler);
  state = GST_STATE (handler);
  GST_OBJECT_UNLOCK (handler);
  if (state > GST_STATE_READY) {
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE,
        "the URI cannot be changed while the element runs");
    return FALSE;
  }
  problem = xp2pSrcSetURI (handler, (gchar *) uri);
  if (problem) {
    g_set_error_literal (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI, problem);
    g_free (problem);
    return FALSE;
  }
  return TRUE;
}

void
xp2p_src_uri_handler_init (gpointer iface)
{
  GstURIHandlerInterface *handler = iface;

  handler->get_type = uri_type;
  handler->get_protocols = uri_protocols;
  handler->get_uri = uri_get;
  handler->set_uri = uri_set;
}

GType
xp2p_src_uri_handler_type (void)
{
  return GST_TYPE_URI_HANDLER;
}

/* Registration */

void
xp2p_src_init_debug (void)
{
  GST_DEBUG_CATEGORY_INIT (xp2psrc_debug, "xp2psrc", 0, "X-P2P camera source");
}

gboolean
xp2p_src_register (gpointer plugin, GType type)
{
  return gst_element_register (plugin, "xp2psrc", GST_RANK_PRIMARY, type);
}

/* Buffers and time */

void
xp2p_src_restart_clock (gpointer src, GstClockTime at)
{
  GstClockTime now = gst_element_get_current_running_time (src);
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.position = at;
  /* A camera sends its last seconds at once, so its media can be ahead of the
   * clock by a little; running time cannot begin before 0. */
  if (GST_CLOCK_TIME_IS_VALID (now) && now > at)
    segment.base = now - at;
  GST_DEBUG_OBJECT (src, "media time %" GST_TIME_FORMAT " is running time %"
      GST_TIME_FORMAT, GST_TIME_ARGS (at), GST_TIME_ARGS (now));
  gst_base_src_new_segment (src, &segment);
}

GstBuffer *
xp2p_buffer_new (gsize size, GstMapInfo *map)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);

  if (buffer && !gst_buffer_map (buffer, map, GST_MAP_WRITE)) {
    gst_buffer_unref (buffer);
    buffer = NULL;
  }
  return buffer;
}

void
xp2p_buffer_finish (GstBuffer *buffer, GstMapInfo *map, GstClockTime at,
    gboolean header, gboolean discont)
{
  gst_buffer_unmap (buffer, map);
  GST_BUFFER_PTS (buffer) = at;
  GST_BUFFER_DTS (buffer) = at;
  if (header)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_HEADER);
  if (discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
}
