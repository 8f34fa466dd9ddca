// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// tag is one FLV tag that several viewers share. It is never changed.
type tag struct {
	raw    []byte // whole, with PreviousTagSize
	ts     uint32 // ms
	video  bool
	audio  bool
	key    bool // decoding can start here
	config bool // sequence header or metadata
}

// arena copies tags out of the reader's buffer, many into one allocation.
type arena struct{ free []byte }

const arenaBlock = 128 << 10

func (a *arena) copy(b []byte) []byte {
	if len(b) > arenaBlock/4 {
		return append([]byte(nil), b...)
	}
	if len(b) > len(a.free) {
		a.free = make([]byte, arenaBlock)
	}
	c := a.free[:len(b):len(b)]
	a.free = a.free[len(b):]
	copy(c, b)
	return c
}

func (a *arena) tag(t *flv.Tag, u *demux.Unit) *tag {
	return &tag{
		raw:    a.copy(t.Raw),
		ts:     t.Timestamp,
		video:  u.Kind == demux.Video,
		audio:  u.Kind == demux.Audio,
		key:    u.Key && !u.Config,
		config: u.Config || u.Kind == demux.Data,
	}
}

// gop is what a new viewer gets before the live edge: the sequence headers and
// everything since the last key frame.
type gop struct {
	meta, video, audio *tag // nil where the stream has none
	tags               []*tag
	bytes              int
	broken             bool // too big to keep: new viewers wait for the next key frame
}

// maxGOP bounds what is kept; a longer GOP is not offered to new viewers.
const maxGOP = 16 << 20

// add notes a tag. It reports whether the sequence header changed.
func (g *gop) add(t *tag, u *demux.Unit) {
	if t.config {
		switch u.Kind {
		case demux.Video:
			g.video = t
		case demux.Audio:
			g.audio = t
		case demux.Data:
			g.meta = t
		}
		return
	}
	if t.video && t.key {
		clear(g.tags)
		g.tags, g.bytes, g.broken = g.tags[:0], 0, false
	}
	switch {
	case g.broken:
	case g.video == nil: // sound alone: one can start anywhere, nothing is kept
	case len(g.tags) == 0 && !t.key, len(g.tags) == 0 && !t.video:
		// before the first key frame
	case g.bytes+len(t.raw) > maxGOP:
		clear(g.tags)
		g.tags, g.bytes, g.broken = g.tags[:0], 0, true
	default:
		g.tags = append(g.tags, t)
		g.bytes += len(t.raw)
	}
}

// heads are the sequence headers that a decoder needs first.
func (g *gop) heads() []*tag {
	var l []*tag
	for _, t := range []*tag{g.meta, g.video, g.audio} {
		if t != nil {
			l = append(l, t)
		}
	}
	return l
}
