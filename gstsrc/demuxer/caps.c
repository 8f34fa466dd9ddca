/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "demuxer.h"

#include <gst/pbutils/pbutils.h>

static void
set_codec_data (GstCaps *caps, const Xp2pFormat *format)
{
  GstBuffer *buffer = gst_buffer_new_memdup (format->config, format->config_size);

  gst_caps_set_simple (caps, "codec_data", GST_TYPE_BUFFER, buffer, NULL);
  gst_buffer_unref (buffer);
}

static void
set_picture (GstCaps *caps, const Xp2pFormat *format)
{
  set_codec_data (caps, format);
  gst_caps_set_simple (caps, "width", G_TYPE_INT, format->width,
      "height", G_TYPE_INT, format->height, NULL);
  if (format->fps > 0) {
    gint num, den;

    gst_util_double_to_fraction (format->fps, &num, &den);
    gst_caps_set_simple (caps, "framerate", GST_TYPE_FRACTION, num, den, NULL);
  }
}

/* Where profile and level begin in the records: AVCDecoderConfigurationRecord
 * (ISO/IEC 14496-15 5.3.3.1.2) has profile, constraints and level of the SPS,
 * HEVCDecoderConfigurationRecord (8.3.3.1.2) the general part of
 * profile_tier_level. */
#define AVCC_PROFILE 1
#define AVCC_PROFILE_SIZE 3
#define HVCC_PROFILE 1
#define HVCC_PROFILE_SIZE 12

GstCaps *
xp2p_demux_caps (const Xp2pFormat *format)
{
  const guint8 *config = format->config;
  GstCaps *caps;

  switch (format->codec) {
    case XP2P_CODEC_H264:
      caps = gst_caps_new_simple ("video/x-h264", "stream-format", G_TYPE_STRING,
          "avc", "alignment", G_TYPE_STRING, "au", NULL);
      set_picture (caps, format);
      if (format->config_size >= AVCC_PROFILE + AVCC_PROFILE_SIZE)
        gst_codec_utils_h264_caps_set_level_and_profile (caps,
            config + AVCC_PROFILE, AVCC_PROFILE_SIZE);
      return caps;
    case XP2P_CODEC_H265:
      caps = gst_caps_new_simple ("video/x-h265", "stream-format", G_TYPE_STRING,
          "hvc1", "alignment", G_TYPE_STRING, "au", NULL);
      set_picture (caps, format);
      if (format->config_size >= HVCC_PROFILE + HVCC_PROFILE_SIZE)
        gst_codec_utils_h265_caps_set_level_tier_and_profile (caps,
            config + HVCC_PROFILE, HVCC_PROFILE_SIZE);
      return caps;
    case XP2P_CODEC_AAC:
      caps = gst_caps_new_simple ("audio/mpeg", "mpegversion", G_TYPE_INT, 4,
          "framed", G_TYPE_BOOLEAN, TRUE, "stream-format", G_TYPE_STRING, "raw", NULL);
      set_codec_data (caps, format);
      gst_codec_utils_aac_caps_set_level_and_profile (caps, config, format->config_size);
      break;
    case XP2P_CODEC_MP3:
      caps = gst_caps_new_simple ("audio/mpeg", "mpegversion", G_TYPE_INT, 1,
          "layer", G_TYPE_INT, 3, NULL);
      break;
    case XP2P_CODEC_ALAW:
      caps = gst_caps_new_empty_simple ("audio/x-alaw");
      break;
    case XP2P_CODEC_MULAW:
      caps = gst_caps_new_empty_simple ("audio/x-mulaw");
      break;
    case XP2P_CODEC_PCM:
      caps = gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING, "S16LE",
          "layout", G_TYPE_STRING, "interleaved", NULL);
      break;
    case XP2P_CODEC_OPUS:
    {
      GstBuffer *head = gst_buffer_new_memdup (format->config, format->config_size);

      caps = gst_codec_utils_opus_create_caps_from_header (head, NULL);
      gst_buffer_unref (head);
      return caps;
    }
    default:
      return NULL;
  }
  gst_caps_set_simple (caps, "rate", G_TYPE_INT, format->rate,
      "channels", G_TYPE_INT, format->channels, NULL);
  return caps;
}
