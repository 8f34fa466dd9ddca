/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The class of xp2psrc, as far as it must be in C. */

#pragma once

#include <gst/base/gstpushsrc.h>
#include <gst/gst.h>

/* Properties by their ids; source.c describes them. */
enum {
  XP2P_PROP_LOCATION = 1,
  XP2P_PROP_RENDEZVOUS,
  XP2P_PROP_APP,
  XP2P_PROP_XP2P_INFO,
  XP2P_PROP_PARAMS,
  XP2P_PROP_RECONNECT,
  XP2P_PROP_RETRIES,
  XP2P_PROP_RETRY_DELAY,
  XP2P_PROP_TIMEOUT,
  XP2P_PROP_LATENCY,
  XP2P_PROP_CODE_URL,
  XP2P_PROP_SWARM,
  XP2P_PROP_UPLOAD,
  XP2P_PROP_STATS,
};

#define XP2P_DEFAULT_PARAMS "action=live&channel=0&quality=high"
#define XP2P_DEFAULT_SWARM FALSE
#define XP2P_DEFAULT_UPLOAD TRUE
#define XP2P_DEFAULT_RECONNECT TRUE
#define XP2P_DEFAULT_RETRIES 5
#define XP2P_DEFAULT_RETRY_DELAY 500 /* ms */
#define XP2P_DEFAULT_TIMEOUT 10000   /* ms */
#define XP2P_DEFAULT_LATENCY 200     /* ms */

/* Modes by the numbers of receiver.Mode. */
enum { XP2P_MODE_LIVE, XP2P_MODE_PLAYBACK, XP2P_MODE_DOWNLOAD };

/* A camera's bounds of a playback's speed. */
#define XP2P_MIN_SPEED 0.0625
#define XP2P_MAX_SPEED 16.0

/* What the Go side of create returns when a pause ended its wait. */
#define XP2P_FLOW_PAUSED GST_FLOW_CUSTOM_SUCCESS

/* Called once each, while the type is made and registered. */
void xp2p_src_init_debug (void);
void xp2p_src_class_init (gpointer klass);
void xp2p_src_instance_init (gpointer instance);
void xp2p_src_uri_handler_init (gpointer iface);
GType xp2p_src_uri_handler_type (void);
gboolean xp2p_src_register (gpointer plugin, GType type);

/* Parts of the class, a file each: properties.c, seek.c, signals.c. */
void xp2p_src_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec);
void xp2p_src_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec);
void xp2p_src_install_properties (GObjectClass *klass);
void xp2p_src_install_seeking (GstBaseSrcClass *klass);
gboolean xp2p_src_time_query (GstBaseSrc *src, GstQuery *query);
/* What to give the base class for a seek, to be unreffed; NULL: it is refused. */
GstEvent *xp2p_src_absolute_seek (GstBaseSrc *src, GstEvent *seek);
void xp2p_src_install_signals (gpointer klass);

/* Emits command-reply with reply, which it takes, as it takes the reference to src
 * that send-command left. */
void xp2p_src_emit_reply (gpointer src, guint id, GstStructure *reply);

/* Starts a segment in which media time at has the running time of this moment.
 * Only from create. */
void xp2p_src_restart_clock (gpointer src, GstClockTime at);

/* Starts a segment of a playback, of rate 1. Only from create. */
void xp2p_src_place (gpointer src, GstClockTime start, GstClockTime stop,
    GstClockTime time, GstClockTime base, gdouble applied_rate);

/* Says, before the first buffer, what the stream is called, if that is known, and of when
 * it is, in us since 1970; negative: it is live. */
void xp2p_src_tag (gpointer src, const gchar *title, gint64 at);

/* A new buffer of size bytes; they are written at map's data, then the buffer is
 * finished. at and offset may be none. */
GstBuffer *xp2p_buffer_new (gsize size, GstMapInfo *map);
GstBuffer *xp2p_buffer_wrap (gpointer data, gsize size, guintptr handle);
void xp2p_buffer_finish (GstBuffer *buffer, gsize size, GstClockTime at,
    guint64 offset, gboolean header, gboolean discont);
