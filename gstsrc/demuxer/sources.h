/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the two halves of xp2pdemux share: demuxer.c, which takes in, and sources.c, which
 * gives out. The Go side knows demuxer.h alone. */

#pragma once

#include <gst/base/gstflowcombiner.h>

#include "demuxer.h"

typedef struct {
  GstPad *pad; /* NULL: no track */
  GstStream *stream;
  gboolean exposed; /* the element has the pad */
} Track;

struct _Xp2pDemux {
  GstElement *element; /* the owner; no reference */
  GstFlowCombiner *flows;
  Track tracks[XP2P_SLOTS];
  guint made[XP2P_SLOTS]; /* pads so far, for their names */
  GstSegment segment;     /* of the sources; its format is UNDEFINED before there is one */
  guint32 seqnum;         /* of the segment */
  gboolean have_group;
  guint group;
  GstTagList *upstream; /* of the whole stream; NULL: none */
  gchar *encoder;       /* of the metadata; NULL: not said */
};

void xp2p_demux_add_source_templates (GstElementClass *klass);

/* Gives every source what an event says; takes the event. */
gboolean xp2p_demux_push_event (Xp2pDemux *demux, GstEvent *event);

/* Gives every source upstream's tags; takes the event. */
gboolean xp2p_demux_upstream_tags (Xp2pDemux *demux, GstEvent *event);

/* Takes all sources away and forgets the stream: the element stops. */
void xp2p_demux_clear (Xp2pDemux *demux);
