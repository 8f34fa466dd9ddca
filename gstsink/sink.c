/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "sink.h"

#include "_cgo_export.h"

GST_DEBUG_CATEGORY_STATIC (xp2psink_debug);
#define GST_CAT_DEFAULT xp2psink_debug

/* A camera is mostly asked for G.711, which is 8 kHz; 16 kHz is halved here, other rates
 * and more channels are what audioresample and audioconvert are for. */
static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("audio/x-raw, format=(string)S16LE, layout=(string)interleaved, "
        "rate=(int){ 8000, 16000 }, channels=(int)1; "
        "audio/x-alaw, rate=(int)8000, channels=(int)1; "
        "audio/x-mulaw, rate=(int)8000, channels=(int)1; "
        "audio/mpeg, mpegversion=(int)4, stream-format=(string)raw"));

/* Settings are read when the element goes to PAUSED, so they can be changed until then. */
#define SETTING (G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define READ_WRITE (G_PARAM_READWRITE | SETTING)

static GstBaseSinkClass *parent_class;

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
  switch (id) {
    case XP2P_SINK_PROP_LOCATION:
    case XP2P_SINK_PROP_RENDEZVOUS:
    case XP2P_SINK_PROP_APP:
    case XP2P_SINK_PROP_XP2P_INFO:
      xp2pSinkSetString (object, id, (gchar *) g_value_get_string (value));
      break;
    case XP2P_SINK_PROP_TIMEOUT:
    case XP2P_SINK_PROP_START_TIMEOUT:
      xp2pSinkSetTime (object, id, g_value_get_uint (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  switch (id) {
    case XP2P_SINK_PROP_LOCATION:
    case XP2P_SINK_PROP_RENDEZVOUS:
    case XP2P_SINK_PROP_APP:
      g_value_take_string (value, xp2pSinkGetString (object, id));
      break;
    case XP2P_SINK_PROP_TIMEOUT:
    case XP2P_SINK_PROP_START_TIMEOUT:
      g_value_set_uint (value, xp2pSinkGetTime (object, id));
      break;
    case XP2P_SINK_PROP_STATS:
      g_value_take_boxed (value, xp2pSinkStats (object));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
install_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, XP2P_SINK_PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "Camera and channel: xp2p://PRODUCT/DEVICE?channel=0; "
          "may also carry _rendezvous=, _app= and _xp2p_info=", NULL, READ_WRITE));
  g_object_class_install_property (klass, XP2P_SINK_PROP_RENDEZVOUS,
      g_param_spec_string ("rendezvous", "Rendezvous",
          "URL that `xp2p rendezvous` prints (unset: URI parameter _rendezvous, "
          "then environment variable XP2P_RENDEZVOUS)", NULL, READ_WRITE));
  g_object_class_install_property (klass, XP2P_SINK_PROP_APP,
      g_param_spec_string ("app", "Account file",
          "Path of the account's app.json (unset: URI parameter _app, then "
          "environment variable XP2P_APP)", NULL, READ_WRITE));
  /* Whoever can read it can use the camera, and pipelines print what they can read. */
  g_object_class_install_property (klass, XP2P_SINK_PROP_XP2P_INFO,
      g_param_spec_string ("xp2p-info", "xp2pInfo",
          "The camera's grant, XP2P...%version (unset: URI parameter _xp2p_info, "
          "then environment variable XP2P_INFO)", NULL, G_PARAM_WRITABLE | SETTING));
  g_object_class_install_property (klass, XP2P_SINK_PROP_TIMEOUT,
      g_param_spec_uint ("timeout", "Timeout",
          "Longest wait in ms for the camera, to take the line and then each time for it "
          "to take more sound (0 = no limit)",
          0, G_MAXINT, XP2P_SINK_DEFAULT_TIMEOUT, READ_WRITE));
  g_object_class_install_property (klass, XP2P_SINK_PROP_START_TIMEOUT,
      g_param_spec_uint ("start-timeout", "Start timeout",
          "Longest wait in ms for the pipeline's first sound: without it a warning is posted, "
          "and so long after the first picture an error (0 = no limit)",
          0, G_MAXINT, XP2P_SINK_DEFAULT_START_TIMEOUT, READ_WRITE));
  g_object_class_install_property (klass, XP2P_SINK_PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Since the element went to PAUSED: buffers, bytes, talks, pictures, dropped, "
          "format, path",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

/* Class functions */

static gboolean
set_caps (GstBaseSink *sink, GstCaps *caps)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  const GValue *value = gst_structure_get_value (s, "codec_data");
  GstMapInfo map = GST_MAP_INFO_INIT;
  GstBuffer *config = NULL;
  gint codec, rate = 0;

  if (gst_structure_has_name (s, "audio/x-alaw"))
    codec = XP2P_SOUND_ALAW;
  else if (gst_structure_has_name (s, "audio/x-mulaw"))
    codec = XP2P_SOUND_MULAW;
  else if (gst_structure_has_name (s, "audio/mpeg"))
    codec = XP2P_SOUND_AAC;
  else
    codec = XP2P_SOUND_PCM;
  gst_structure_get_int (s, "rate", &rate);

  if (codec == XP2P_SOUND_AAC) {
    if (value && GST_VALUE_HOLDS_BUFFER (value))
      config = gst_value_get_buffer (value);
    if (!config || !gst_buffer_map (config, &map, GST_MAP_READ) || map.size < 2) {
      if (map.memory)
        gst_buffer_unmap (config, &map);
      GST_ELEMENT_ERROR (sink, STREAM, FORMAT,
          ("The AAC has no configuration. Put aacparse in front of xp2psink."),
          ("no codec_data in %" GST_PTR_FORMAT, caps));
      return FALSE;
    }
  }
  GST_DEBUG_OBJECT (sink, "%" GST_PTR_FORMAT, caps);
  xp2pSinkFormat (sink, codec, rate, map.data, map.size);
  if (config)
    gst_buffer_unmap (config, &map);
  return TRUE;
}

/* Runs a call of the Go side that may wait. When unlock has ended the wait, this waits
 * as the base class wants it until there is PLAYING again, and goes on. A pause can come
 * between the signal that there is and this thread's waking: then it waits on, or a call
 * would be under way while paused, and whoever set the state waits for it. */
static GstFlowReturn
run (GstBaseSink *sink, GstFlowReturn (*call) (gpointer sink))
{
  GstFlowReturn ret;

  while ((ret = call (sink)) == XP2P_FLOW_UNLOCKED) {
    do {
      ret = gst_base_sink_wait_preroll (sink);
    } while (ret == GST_FLOW_OK && sink->need_preroll);
    if (ret != GST_FLOW_OK)
      break;
  }
  return ret;
}

static GstClockTime
running_time (GstBaseSink *sink, GstClockTime at)
{
  return gst_segment_to_running_time (&sink->segment, GST_FORMAT_TIME, at);
}

/* The first call for a buffer, before any wait. */
static GstFlowReturn
prepare (GstBaseSink *sink, GstBuffer *buffer)
{
  xp2pSinkStarted (sink);
  return GST_FLOW_OK;
}

static GstFlowReturn
render (GstBaseSink *sink, GstBuffer *buffer)
{
  GstClockTime at = GST_CLOCK_TIME_NONE;
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    GST_ELEMENT_ERROR (sink, RESOURCE, READ, (NULL), ("a buffer cannot be read"));
    return GST_FLOW_ERROR;
  }
  if (sink->segment.format == GST_FORMAT_TIME && GST_BUFFER_PTS_IS_VALID (buffer))
    at = running_time (sink, GST_BUFFER_PTS (buffer));
  xp2pSinkTake (sink, map.data, map.size, at);
  gst_buffer_unmap (buffer, &map);
  return run (sink, xp2pSinkSend);
}

/* The base class waits until an event's time has come. Then there is nothing behind an
 * end of stream that is not with the talker, and EOS is posted when the camera has
 * played it; a gap is said as silence. */
static GstFlowReturn
wait_event (GstBaseSink *sink, GstEvent *event)
{
  GstFlowReturn ret = GST_BASE_SINK_CLASS (parent_class)->wait_event (sink, event);
  GstClockTime at, length;

  if (ret != GST_FLOW_OK)
    return ret;
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_EOS:
      return run (sink, xp2pSinkFinish);
    case GST_EVENT_GAP:
      gst_event_parse_gap (event, &at, &length);
      at = running_time (sink, at);
      if (!GST_CLOCK_TIME_IS_VALID (at) || !GST_CLOCK_TIME_IS_VALID (length))
        return ret;
      xp2pSinkSilence (sink, at, length);
      return run (sink, xp2pSinkSend);
    default:
      return ret;
  }
}

static gboolean
event (GstBaseSink *sink, GstEvent *event)
{
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_STOP:
      xp2pSinkDiscard (sink);
      break;
    case GST_EVENT_GAP: /* these preroll as sound does */
    case GST_EVENT_EOS:
      xp2pSinkStarted (sink);
      break;
    default:
      break;
  }
  return GST_BASE_SINK_CLASS (parent_class)->event (sink, event);
}

static gboolean
unlock (GstBaseSink *sink)
{
  xp2pSinkUnlock (sink, TRUE);
  return TRUE;
}

static gboolean
unlock_stop (GstBaseSink *sink)
{
  xp2pSinkUnlock (sink, FALSE);
  return TRUE;
}

/* start and stop of the base class are between NULL and READY, where settings may still
 * change. A paused element gives the line to others. */
static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED
      && !(xp2p_sink_check_pads (element) && xp2pSinkBegin (element)))
    return GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    xp2pSinkFlushPictures (element, TRUE); /* the base class waits for both pads */
  ret = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);
  switch (transition) {
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (ret == GST_STATE_CHANGE_FAILURE)
        xp2pSinkEnd (element);
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      xp2pSinkHangUp (element);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      xp2pSinkEnd (element);
      break;
    default:
      break;
  }
  return ret;
}

static gboolean
query (GstElement *element, GstQuery *query)
{
  return GST_ELEMENT_CLASS (parent_class)->query (element, query)
      && (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY || xp2p_sink_add_latency (element, query));
}

/* The base class gives an event to the sound's branch. Latency alone is for both: a seek
 * and the like would reach a source behind both twice. */
static gboolean
send_event (GstElement *element, GstEvent *event)
{
  gboolean ok = TRUE;

  if (GST_EVENT_TYPE (event) == GST_EVENT_LATENCY)
    ok = xp2p_sink_push_latency (element, event);
  return GST_ELEMENT_CLASS (parent_class)->send_event (element, event) && ok;
}

void
xp2p_sink_class_init (gpointer klass)
{
  GObjectClass *object = G_OBJECT_CLASS (klass);
  GstElementClass *element = GST_ELEMENT_CLASS (klass);
  GstBaseSinkClass *base = GST_BASE_SINK_CLASS (klass);

  parent_class = g_type_class_peek_parent (klass);

  object->set_property = set_property;
  object->get_property = get_property;
  install_properties (object);

  gst_element_class_set_static_metadata (element, "X-P2P talkback sink",
      "Sink/Network/Audio",
      "Says sound through a camera's speaker, in a video call with H.264 pictures, "
      "peer to peer through any NAT",
      "The xp2p project, https://github.com/xp2p/xp2p");
  gst_element_class_add_static_pad_template (element, &sink_template);
  xp2p_sink_add_video_template (element);

  element->change_state = change_state;
  element->query = query;
  element->send_event = send_event;
  element->request_new_pad = xp2p_sink_request_pad;
  element->release_pad = xp2p_sink_release_pad;
  base->set_caps = set_caps;
  base->prepare = prepare;
  base->render = render;
  base->wait_event = wait_event;
  base->event = event;
  base->unlock = unlock;
  base->unlock_stop = unlock_stop;
}

/* Registration */

void
xp2p_sink_init_debug (void)
{
  GST_DEBUG_CATEGORY_INIT (xp2psink_debug, "xp2psink", 0, "X-P2P talkback sink");
}

/* No rank: nobody wants a camera to speak because a player has looked for a sink. */
gboolean
xp2p_sink_register (gpointer plugin, GType type)
{
  return gst_element_register (plugin, "xp2psink", GST_RANK_NONE, type);
}
