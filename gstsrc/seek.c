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

/* The base class takes the segment's times for stream times, which those of FLV
 * are not. */
static void
to_stream_time (GstSegment *segment, guint64 duration)
{
  guint64 position = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, segment->position);
  guint64 running = gst_segment_to_running_time (segment, GST_FORMAT_TIME, segment->position);

  gst_segment_init (segment, GST_FORMAT_TIME);
  segment->duration = duration;
  if (position != GST_CLOCK_TIME_NONE)
    segment->start = segment->time = segment->position = position;
  if (running != GST_CLOCK_TIME_NONE)
    segment->base = running;
}

static gboolean
prepare_seek_segment (GstBaseSrc *src, GstEvent *seek, GstSegment *segment)
{
  gdouble rate;
  GstFormat format;
  GstSeekFlags flags;
  GstSeekType start_type, stop_type;
  gint64 start, stop;

  if (xp2pSrcMode (src) != XP2P_MODE_PLAYBACK)
    return parent_class->prepare_seek_segment (src, seek, segment);
  gst_event_parse_seek (seek, &rate, &format, &flags, &start_type, &start, &stop_type, &stop);
  if (format != GST_FORMAT_TIME || rate < XP2P_MIN_SPEED || rate > XP2P_MAX_SPEED) {
    GST_WARNING_OBJECT (src, "a playback seeks in time, at a rate from %g to %g: not %s at %g",
        XP2P_MIN_SPEED, XP2P_MAX_SPEED, gst_format_get_name (format), rate);
    return FALSE;
  }
  if (start_type == GST_SEEK_TYPE_SET)
    start = stream_position (src, start);
  if (stop_type == GST_SEEK_TYPE_SET && stop >= 0)
    stop = stream_position (src, stop);
  to_stream_time (segment, xp2pSrcDuration (src));
  return gst_segment_do_seek (segment, rate, format, flags, start_type, start,
      stop_type, stop, NULL);
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
  klass->prepare_seek_segment = prepare_seek_segment;
  klass->do_seek = do_seek;
}
