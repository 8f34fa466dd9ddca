// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"time"

	"github.com/xp2p/xp2p/internal/fmp4"
)

// maxPart bounds the bytes of a part: one that would exceed it is sealed early.
// A single picture may be larger (the parser's limit is 4 MiB).
const maxPart = 1 << 20

// part is a stretch of a segment: first being filled by a run, then waiting for
// its run's clock, then the committer's. Times are media time since the run's start.
type part struct {
	seg          *segment
	video, audio payload       // the samples' bytes, in order
	vs, as       []fmp4.Sample // durations complete when sealed
	start, end   time.Duration
	videoStart   time.Duration // decoding time of vs[0]
	audioStart   int64         // place of as[0], samples
	lastVideo    time.Duration // decoding time of the last of vs
	lastAudio    int64         // place of the last of as, samples
	keys         []partKey
	sequence     uint32 // in the segment, from 1; set when sealed

	// Stamped when handed over.
	header        []byte // prft, moof and the head of mdat; empty until then
	wall, wallEnd time.Time
}

// partKey is a key picture: where its bytes begin in part.video.
type partKey struct {
	offset int
	at     time.Duration
	late   time.Duration
}

func (p *part) empty() bool { return len(p.vs)+len(p.as) == 0 }
func (p *part) bytes() int  { return p.video.n + p.audio.n }

func (p *part) reset() {
	p.video.reset()
	p.audio.reset()
	video, audio, vs, as, keys, header := p.video, p.audio, p.vs[:0], p.as[:0], p.keys[:0], p.header[:0]
	*p = part{video: video, audio: audio, vs: vs, as: as, keys: keys, header: header}
}

// appendHeader makes what precedes the samples in the file. The part is sealed and
// stamped, its segment's tracks are fixed.
func (p *part) appendHeader() {
	h := fmp4.PartHeader{Sequence: p.sequence, Wall: p.wall}
	var runs [2]fmp4.Run
	h.Runs = runs[:0]
	for i := range p.seg.tracks {
		t := &p.seg.tracks[i]
		if t.Video() && len(p.vs) > 0 {
			h.Wall = p.wall.Add(p.videoStart - p.start)
			h.Runs = append(h.Runs, fmp4.Run{Track: t.ID, Video: true, Base: uint64(max(0, ticks(p.videoStart-p.seg.origin))), Samples: p.vs, Bytes: p.video.n})
		} else if !t.Video() && len(p.as) > 0 {
			base := p.audioStart - samplesOf(p.seg.origin, t.Rate)
			h.Runs = append(h.Runs, fmp4.Run{Track: t.ID, Base: uint64(max(0, base)), Samples: p.as, Bytes: p.audio.n})
		}
	}
	p.header = fmp4.AppendPart(p.header[:0], &h)
}

// partPool lends parts with their tables, so that recording allocates nothing in
// the steady state. It keeps a few: more are needed only while a disk is slow.
type partPool struct{ free chan *part }

const pooledParts = 16

func newPartPool() *partPool { return &partPool{make(chan *part, pooledParts)} }

func (pp *partPool) get() *part {
	select {
	case p := <-pp.free:
		return p
	default:
		return &part{}
	}
}

func (pp *partPool) put(p *part) {
	p.reset()
	select {
	case pp.free <- p:
	default:
	}
}
