/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The class of xp2pdemux, as far as it must be in C. */

#pragma once

#include <gst/gst.h>

/* One element: its pads. Belongs to the element's Go side; touched by the
 * streaming thread, and by state changes while that does not run. */
typedef struct _Xp2pDemux Xp2pDemux;

/* Codecs by the numbers of demux.Codec. */
enum {
  XP2P_CODEC_H264 = 1,
  XP2P_CODEC_H265,
  XP2P_CODEC_AAC,
  XP2P_CODEC_MP3,
  XP2P_CODEC_ALAW,
  XP2P_CODEC_MULAW,
  XP2P_CODEC_PCM,
  XP2P_CODEC_OPUS,
};

/* Slots by the numbers of tracks.Slot. */
enum { XP2P_SLOT_VIDEO, XP2P_SLOT_AUDIO, XP2P_SLOTS };

typedef struct {
  gint codec;
  gconstpointer config; /* or NULL */
  gsize config_size;
  gint width, height;
  gdouble fps; /* 0: not known */
  gint rate, channels;
} Xp2pFormat;

void xp2p_demux_init_debug (void);
void xp2p_demux_class_init (gpointer klass);
/* Makes the sink pad of an element, and the state of its pads. */
Xp2pDemux *xp2p_demux_new (gpointer element);
gboolean xp2p_demux_register (gpointer plugin, GType type);

/* Makes a source; expose adds those that were made to the element, all at once. */
void xp2p_demux_add (Xp2pDemux *demux, gint slot, const Xp2pFormat *format);
void xp2p_demux_expose (Xp2pDemux *demux);
void xp2p_demux_change (Xp2pDemux *demux, gint slot, const Xp2pFormat *format);
void xp2p_demux_segment (Xp2pDemux *demux, GstClockTime start, GstClockTime base);
GstFlowReturn xp2p_demux_push (Xp2pDemux *demux, gint slot, gconstpointer data,
    gsize size, GstClockTime pts, GstClockTime dts, gboolean key, gboolean discont);
void xp2p_demux_gap (Xp2pDemux *demux, gint slot, GstClockTime at, GstClockTime length);
void xp2p_demux_complete (Xp2pDemux *demux);
void xp2p_demux_bitrate (Xp2pDemux *demux, gint slot, guint bits_per_second);
void xp2p_demux_encoder (Xp2pDemux *demux, const gchar *name);
void xp2p_demux_warn (Xp2pDemux *demux, const gchar *text);

/* Tags: tags.c. */
GstTagList *xp2p_demux_codec_tags (gint slot, GstCaps *caps);
GstEvent *xp2p_demux_global_tags (const GstTagList *upstream, const gchar *encoder);

/* The caps of a format; NULL: there are none. */
GstCaps *xp2p_demux_caps (const Xp2pFormat *format);
