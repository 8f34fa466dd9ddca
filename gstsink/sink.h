/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The class of xp2psink, as far as it must be in C. */

#pragma once

#include <gst/base/gstbasesink.h>
#include <gst/gst.h>

/* Properties by their ids; sink.c describes them. */
enum {
  XP2P_SINK_PROP_LOCATION = 1,
  XP2P_SINK_PROP_RENDEZVOUS,
  XP2P_SINK_PROP_APP,
  XP2P_SINK_PROP_XP2P_INFO,
  XP2P_SINK_PROP_TIMEOUT,
  XP2P_SINK_PROP_START_TIMEOUT,
  XP2P_SINK_PROP_STATS,
};

#define XP2P_SINK_DEFAULT_TIMEOUT 10000       /* ms */
#define XP2P_SINK_DEFAULT_START_TIMEOUT 10000 /* ms */

/* Codecs by the numbers of demux.Codec. */
enum {
  XP2P_SOUND_AAC = 3,
  XP2P_SOUND_ALAW = 5,
  XP2P_SOUND_MULAW,
  XP2P_SOUND_PCM,
};

/* What the Go side of send and finish returns when unlock ended its wait. */
#define XP2P_FLOW_UNLOCKED GST_FLOW_CUSTOM_SUCCESS

/* The pad for pictures: video.c. */
GstPad *xp2p_sink_request_pad (GstElement *element, GstPadTemplate *template,
    const gchar *name, const GstCaps *caps);
void xp2p_sink_release_pad (GstElement *element, GstPad *pad);
gboolean xp2p_sink_check_pads (GstElement *element);
/* Adds to the answer of a latency query, which is the sound's, that of the pictures. */
gboolean xp2p_sink_add_latency (GstElement *element, GstQuery *query);
/* Gives the pictures' branch a latency event; keeps the event. */
gboolean xp2p_sink_push_latency (GstElement *element, GstEvent *event);
void xp2p_sink_add_video_template (GstElementClass *klass);

/* Called once each, while the type is made and registered. */
void xp2p_sink_init_debug (void);
void xp2p_sink_class_init (gpointer klass);
gboolean xp2p_sink_register (gpointer plugin, GType type);
