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
  XP2P_PROP_STATS,
};

#define XP2P_DEFAULT_PARAMS "action=live&channel=0&quality=high"
#define XP2P_DEFAULT_RECONNECT TRUE
#define XP2P_DEFAULT_RETRIES 5
#define XP2P_DEFAULT_RETRY_DELAY 500 /* ms */
#define XP2P_DEFAULT_TIMEOUT 10000   /* ms */
#define XP2P_DEFAULT_LATENCY 200     /* ms */

/* What the Go side of create returns when a pause ended its wait. */
#define XP2P_FLOW_PAUSED GST_FLOW_CUSTOM_SUCCESS

/* Called once each, while the type is made and registered. */
void xp2p_src_init_debug (void);
void xp2p_src_class_init (gpointer klass);
void xp2p_src_instance_init (gpointer instance);
void xp2p_src_uri_handler_init (gpointer iface);
GType xp2p_src_uri_handler_type (void);
gboolean xp2p_src_register (gpointer plugin, GType type);

/* Starts a segment in which media time at has the running time of this moment.
 * Only from create. */
void xp2p_src_restart_clock (gpointer src, GstClockTime at);

/* A new buffer of size bytes; they are written at *data, then the buffer is
 * finished. */
GstBuffer *xp2p_buffer_new (gsize size, GstMapInfo *map);
void xp2p_buffer_finish (GstBuffer *buffer, GstMapInfo *map, GstClockTime at,
    gboolean header, gboolean discont);
