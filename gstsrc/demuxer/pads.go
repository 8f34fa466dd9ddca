// SPDX-License-Identifier: LGPL-2.1-or-later

package demuxer

/*
#include <stdlib.h>
#include "demuxer.h"
*/
import "C"

import (
	"math"
	"strings"
	"time"
	"unsafe"

	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/gstsrc/internal/tracks"
)

// pads is a tracks.Output that acts on the element's pads.
type pads struct {
	c     *C.Xp2pDemux
	kbits [2]float64 // by slot, as the metadata claims; 0: not said
}

func (p *pads) Add(s tracks.Slot, f *tracks.Format) {
	withFormat(f, func(c *C.Xp2pFormat) { C.xp2p_demux_add(p.c, C.gint(s), c) })
	p.tag(s)
}

// tag gives a track its bit rate.
func (p *pads) tag(s tracks.Slot) {
	if k := p.kbits[s]; k > 0 && k < math.MaxUint32/1000 {
		C.xp2p_demux_bitrate(p.c, C.gint(s), C.guint(k*1000))
	}
}

func (p *pads) Change(s tracks.Slot, f *tracks.Format) {
	withFormat(f, func(c *C.Xp2pFormat) { C.xp2p_demux_change(p.c, C.gint(s), c) })
}

func (p *pads) Expose() { C.xp2p_demux_expose(p.c) }

func (p *pads) Segment(s tracks.Segment) {
	C.xp2p_demux_segment(p.c, clockTime(s.Start), clockTime(s.Base))
}

func (p *pads) Push(s tracks.Slot, u tracks.Packet) tracks.Flow {
	return tracks.Flow(C.xp2p_demux_push(p.c, C.gint(s), C.gconstpointer(unsafe.Pointer(unsafe.SliceData(u.Data))), C.gsize(len(u.Data)),
		clockTime(u.PTS), clockTime(u.DTS), gbool(u.Key), gbool(u.Discont)))
}

func (p *pads) Gap(s tracks.Slot, at, length time.Duration) {
	C.xp2p_demux_gap(p.c, C.gint(s), clockTime(at), clockTime(length))
}

func (p *pads) Complete() { C.xp2p_demux_complete(p.c) }

// Metadata becomes tags. It is a sender's claim, so sizes and codecs are not taken
// from it.
func (p *pads) Metadata(m flv.Metadata) {
	p.kbits = [...]float64{tracks.Video: m.VideoBitrate, tracks.Audio: m.AudioBitrate}
	p.tag(tracks.Video)
	p.tag(tracks.Audio)
	if m.Encoder != "" && !strings.ContainsRune(m.Encoder, 0) {
		name := C.CString(m.Encoder)
		defer C.free(unsafe.Pointer(name))
		C.xp2p_demux_encoder(p.c, (*C.gchar)(name))
	}
}

func (p *pads) Warn(err error) {
	text := C.CString(err.Error())
	defer C.free(unsafe.Pointer(text))
	C.xp2p_demux_warn(p.c, (*C.gchar)(text))
}

// clockTime is a time of a buffer or segment; what is before 0 has none.
func clockTime(d time.Duration) C.GstClockTime {
	if d < 0 {
		return C.GST_CLOCK_TIME_NONE
	}
	return C.GstClockTime(d)
}
