/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The element xp2pdemux: its class, its states and its sink pad, which gives the bytes and
 * what comes with them to the Go side. The pads behind it are in sources.c. */

#include "sources.h"

#include <gst/pbutils/pbutils.h>

#include "_cgo_export.h"

GST_DEBUG_CATEGORY (xp2pdemux_debug);
#define GST_CAT_DEFAULT xp2pdemux_debug

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-flv"));

static GstElementClass *parent_class;

void
xp2p_demux_warn (Xp2pDemux *demux, const gchar *text)
{
  GST_ELEMENT_WARNING (demux->element, STREAM, DEMUX, (NULL), ("%s", text));
}

/* The sink */

static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstMapInfo map;
  GstFlowReturn ret;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    gst_buffer_unref (buffer);
    GST_ELEMENT_ERROR (parent, RESOURCE, READ, (NULL), ("a buffer cannot be read"));
    return GST_FLOW_ERROR;
  }
  ret = xp2pDemuxData (parent, map.data, map.size,
      GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT));
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
  return ret;
}

static void
end_of_stream (Xp2pDemux *demux, GstEvent *eos)
{
  if (xp2pDemuxEnd (demux->element)) {
    xp2p_demux_push_event (demux, eos);
    return;
  }
  gst_event_unref (eos);
  GST_ELEMENT_ERROR (demux->element, STREAM, DEMUX,
      ("The stream has neither pictures nor sound that can be read."),
      ("end of stream before the first track"));
}

static gboolean
sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  Xp2pDemux *demux = gst_pad_get_element_private (pad);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_SEGMENT:
    {
      const GstSegment *segment;
      gboolean timed;

      gst_event_parse_segment (event, &segment);
      timed = segment->format == GST_FORMAT_TIME;
      xp2pDemuxTimed (demux->element, timed);
      if (timed) { /* FLV's times are upstream's */
        demux->segment = *segment;
        demux->seqnum = gst_event_get_seqnum (event);
        xp2p_demux_push_event (demux, event);
      } else {
        gst_event_unref (event);
      }
      return TRUE;
    }
    case GST_EVENT_CAPS: /* those of FLV */
    case GST_EVENT_STREAM_START:
    case GST_EVENT_STREAM_COLLECTION:
      gst_event_unref (event);
      return TRUE;
    case GST_EVENT_FLUSH_STOP:
      xp2pDemuxFlush (demux->element);
      gst_flow_combiner_reset (demux->flows);
      gst_segment_init (&demux->segment, GST_FORMAT_UNDEFINED);
      return xp2p_demux_push_event (demux, event);
    case GST_EVENT_TAG:
      return xp2p_demux_upstream_tags (demux, event);
    case GST_EVENT_EOS:
      end_of_stream (demux, event);
      return TRUE;
    default:
      return xp2p_demux_push_event (demux, event);
  }
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstStateChangeReturn ret = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) { /* streaming has ended */
    GstPad *sink = gst_element_get_static_pad (element, "sink");
    Xp2pDemux *demux = gst_pad_get_element_private (sink);

    xp2p_demux_clear (demux);
    xp2pDemuxReset (element);
    gst_object_unref (sink);
  }
  return ret;
}

/* Making it */

void
xp2p_demux_class_init (gpointer klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  parent_class = g_type_class_peek_parent (klass);
  gst_pb_utils_init ();
  gst_element_class_set_static_metadata (element, "X-P2P FLV demuxer", "Codec/Demuxer",
      "Takes FLV apart: H.264, H.265 (codec id 12 and enhanced), AAC, MP3, G.711, PCM, Opus",
      "The xp2p project, https://github.com/xp2p/xp2p");
  gst_element_class_add_static_pad_template (element, &sink_template);
  xp2p_demux_add_source_templates (element);
  element->change_state = change_state;
}

static void
demux_free (gpointer data)
{
  Xp2pDemux *demux = data;

  gst_flow_combiner_free (demux->flows);
  g_clear_pointer (&demux->upstream, gst_tag_list_unref);
  g_free (demux->encoder);
  g_free (demux);
}

Xp2pDemux *
xp2p_demux_new (gpointer element)
{
  Xp2pDemux *demux = g_new0 (Xp2pDemux, 1);
  GstPad *sink = gst_pad_new_from_static_template (&sink_template, "sink");

  demux->element = element;
  demux->flows = gst_flow_combiner_new ();
  gst_segment_init (&demux->segment, GST_FORMAT_UNDEFINED);
  g_object_set_data_full (element, "xp2p-demux", demux, demux_free);
  gst_pad_set_element_private (sink, demux);
  gst_pad_set_chain_function (sink, chain);
  gst_pad_set_event_function (sink, sink_event);
  gst_element_add_pad (element, sink);
  return demux;
}

void
xp2p_demux_init_debug (void)
{
  GST_DEBUG_CATEGORY_INIT (xp2pdemux_debug, "xp2pdemux", 0, "X-P2P FLV demuxer");
}

/* Above flvdemux, which is PRIMARY and knows no H.265 before GStreamer 1.24. */
gboolean
xp2p_demux_register (gpointer plugin, GType type)
{
  return gst_element_register (plugin, "xp2pdemux", GST_RANK_PRIMARY + 1, type);
}
