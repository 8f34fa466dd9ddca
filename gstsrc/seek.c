/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "source.h"

#include "_cgo_export.h"

/* Seeks and time queries of a playback are in stream time: nanoseconds since its
 * start_time. The segments that the element sends place FLV times in it
 * (gstsrc/internal/timeline). */

static GstBaseSrcClass *parent_class;

/* A position from this on is one since 1970. The shortest is 2001, the longest
 * stream time 31 years. */
#define UNIX_TIME ((gint64) 1000000000 * GST_SECOND)

static gint64
stream_position (GstBaseSrc *src, gint64 position)
{
  if (position < UNIX_TIME)
    return position;
  return MAX (0, position - (gint64) xp2pSrcPlaybackStart (src));
}

static gboolean
is_seekable (GstBaseSrc *src)
{
  return !gst_base_src_is_live (src);
}

static gboolean
get_size (GstBaseSrc *src, guint64 *size)
{
  *size = xp2pSrcSize (src);
  return *size > 0;
}

/* Where the element is, in stream time. */
static gint64
here (GstBaseSrc *src)
{
  guint64 at = 0;

  GST_OBJECT_LOCK (src);
  if (src->segment.format == GST_FORMAT_TIME)
    at = gst_segment_to_stream_time (&src->segment, GST_FORMAT_TIME, src->segment.position);
  GST_OBJECT_UNLOCK (src);
  return at == GST_CLOCK_TIME_NONE ? 0 : at;
}

static gint64
absolute (GstBaseSrc *src, GstSeekType type, gint64 position, gint64 otherwise, gint64 duration)
{
  switch (type) {
    case GST_SEEK_TYPE_SET:
      if (position < 0) /* GST_CLOCK_TIME_NONE */
        return otherwise;
      break;
    case GST_SEEK_TYPE_END:
      position += duration;
      break;
    default:
      return otherwise;
  }
  return CLAMP (stream_position (src, position), 0, duration);
}

/* The base class takes the segment's times for stream times, which those of FLV are
 * not: it is given a seek that needs none of them. */
GstEvent *
xp2p_src_absolute_seek (GstBaseSrc *src, GstEvent *seek)
{
  gdouble rate;
  GstFormat format;
  GstSeekFlags flags;
  GstSeekType start_type, stop_type;
  gint64 start, stop, duration;
  GstEvent *event;

  if (xp2pSrcMode (src) != XP2P_MODE_PLAYBACK)
    return gst_event_ref (seek);
  gst_event_parse_seek (seek, &rate, &format, &flags, &start_type, &start, &stop_type, &stop);
  if (format != GST_FORMAT_TIME || rate < XP2P_MIN_SPEED || rate > XP2P_MAX_SPEED) {
    GST_WARNING_OBJECT (src, "a playback seeks in time, at a rate from %g to %g: not %s at %g",
        XP2P_MIN_SPEED, XP2P_MAX_SPEED, gst_format_get_name (format), rate);
    return NULL;
  }
  duration = xp2pSrcDuration (src);
  start = absolute (src, start_type, start, here (src), duration);
  stop = absolute (src, stop_type, stop, -1, duration);
  if (stop >= 0 && stop < start) {
    GST_WARNING_OBJECT (src, "a seek to %" G_GINT64_FORMAT " that stops before it", start);
    return NULL;
  }
  event = gst_event_new_seek (rate, GST_FORMAT_TIME, flags, GST_SEEK_TYPE_SET, start,
      GST_SEEK_TYPE_SET, stop);
  gst_event_set_seqnum (event, gst_event_get_seqnum (seek));
  return event;
}

static gboolean
do_seek (GstBaseSrc *src, GstSegment *segment)
{
  switch (xp2pSrcMode (src)) {
    case XP2P_MODE_PLAYBACK:
      xp2pSrcSeekTime (src, segment->position, segment->stop, segment->base, segment->rate);
      /* The camera speeds up, not the pipeline. */
      segment->applied_rate = segment->rate;
      segment->rate = 1;
      segment->time = segment->position;
      segment->stop = GST_CLOCK_TIME_NONE; /* comes with the segment of the first picture */
      return TRUE;
    case XP2P_MODE_DOWNLOAD:
      if (segment->rate != 1)
        return FALSE;
      xp2pSrcSeekBytes (src, segment->position);
      break;
  }
  return parent_class->do_seek (src, segment);
}

gboolean
xp2p_src_time_query (GstBaseSrc *src, GstQuery *query)
{
  GstFormat format;
  gint64 duration;

  if (gst_base_src_is_live (src) || xp2pSrcMode (src) != XP2P_MODE_PLAYBACK)
    return FALSE;
  duration = xp2pSrcDuration (src);
  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_DURATION:
      gst_query_parse_duration (query, &format, NULL);
      if (format != GST_FORMAT_TIME)
        return FALSE;
      gst_query_set_duration (query, GST_FORMAT_TIME, duration);
      return TRUE;
    case GST_QUERY_SEEKING:
      gst_query_parse_seeking (query, &format, NULL, NULL, NULL);
      if (format != GST_FORMAT_TIME)
        return FALSE;
      gst_query_set_seeking (query, GST_FORMAT_TIME, TRUE, 0, duration);
      return TRUE;
    default:
      return FALSE;
  }
}

void
xp2p_src_install_seeking (GstBaseSrcClass *klass)
{
  parent_class = g_type_class_peek_parent (klass);
  klass->is_seekable = is_seekable;
  klass->get_size = get_size;
  klass->do_seek = do_seek;
}
