// SPDX-License-Identifier: LGPL-2.1-or-later

package tracks

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/demux/h26x"
	"github.com/xp2p/xp2p/internal/fmp4"
)

const (
	// expectTracks is how much media passes until a track that was not seen yet is no
	// longer expected. A camera sends its last group of pictures at once, so on a live
	// stream this is no wait.
	expectTracks = 1500 * time.Millisecond
	// sparse is how far a track may be behind the other one before it is said to have a gap.
	sparse = time.Second
	// nearZero: a stream that begins before it is taken to begin at 0, so that sound
	// and pictures keep their places.
	nearZero = time.Second
	// Steps of time beyond these are a new clock of the sender: those backwards, and
	// those forwards that no pause of a live stream explains.
	maxBack    = time.Second
	maxForward = 30 * time.Second
	// nominal is how long the unit before a new clock is taken to last.
	nominal = 40 * time.Millisecond
)

// Demuxer is one stream. Its methods belong to one goroutine.
type Demuxer struct {
	out    Output
	parser *flv.Parser
	tag    flv.Tag
	unit   demux.Unit

	timed    bool // upstream gives segments of its own
	tracks   [slots]track
	began    bool
	first    time.Duration // DTS of the first unit
	last     time.Duration // DTS of the latest unit
	segment  Segment
	added    bool // tracks that are not exposed yet
	expect   bool // the metadata speaks of sound
	settled  bool // nothing is held back any more
	held     []heldPacket
	heldSize int
	complete bool
	fps      float64         // of the metadata
	unknown  map[string]bool // reported already
}

// track is what is in a slot.
type track struct {
	there   bool
	format  Format
	last    time.Duration // DTS up to which the track is known
	discont bool
	waiting bool // for a key picture
}

// New makes a Demuxer that calls out.
func New(out Output) *Demuxer {
	return &Demuxer{out: out, parser: flv.NewParser(flv.Options{}), unknown: map[string]bool{}}
}

// Timed says whether upstream's segments are in time: then FLV's times are theirs.
func (d *Demuxer) Timed(on bool) { d.timed = on }

// Data takes the next bytes. discont: bytes before them are missing.
func (d *Demuxer) Data(b []byte, discont bool) Flow {
	if discont {
		d.Flush()
	}
	for len(b) > 0 {
		n := copy(d.parser.Space(len(b)), b)
		d.parser.Filled(n)
		b = b[n:]
		if f := d.drain(); f != Good {
			return f
		}
	}
	return Good
}

func (d *Demuxer) drain() Flow {
	for {
		err := d.parser.Next(&d.tag, &d.unit)
		var damage *flv.DamageError
		switch {
		case err == flv.ErrNeedMore:
			return Good
		case errors.As(err, &damage):
			d.interrupted(false)
			d.out.Warn(err)
			continue
		case err != nil:
			d.out.Warn(err)
			return Good
		}
		if f := d.handle(&d.unit); f != Good {
			return f
		}
	}
}

// Flush forgets what is half read; what follows may be anywhere in the stream.
func (d *Demuxer) Flush() {
	d.parser.Reset()
	d.interrupted(true)
	d.began = false
	d.held, d.heldSize = nil, 0
}

// interrupted marks every track. Behind a jump, pictures need a key picture first.
func (d *Demuxer) interrupted(jumped bool) {
	for i := range d.tracks {
		d.tracks[i].discont = true
		if jumped {
			d.tracks[i].waiting = true
		}
	}
}

// End says that no bytes follow. It reports whether there was any track.
func (d *Demuxer) End() (any bool) {
	d.release()
	d.expose()
	d.completed()
	return d.tracks[Video].there || d.tracks[Audio].there
}

func (d *Demuxer) expose() {
	if d.added {
		d.added = false
		d.out.Expose()
	}
}

func (d *Demuxer) completed() {
	if !d.complete {
		d.complete = true
		d.out.Complete()
	}
}

func (d *Demuxer) handle(u *demux.Unit) Flow {
	switch {
	case u.Kind == demux.Data:
		d.script(u)
		return Good
	case u.EndOfSequence:
		return Good // the next sequence may follow
	case u.Codec == demux.CodecUnknown:
		d.warnOnce(fmt.Sprintf("a %v codec that is not known", u.Kind))
		return Good
	case u.Config:
		d.configure(u)
		return Good
	case len(u.Data) == 0:
		return Good
	case u.Kind == demux.Audio:
		d.hear(u)
	}
	s := slotOf(u)
	t := &d.tracks[s]
	if !t.there || t.format.Codec != u.Codec {
		return Good // its configuration has not come, or could not be used
	}
	if s == Video && t.waiting && !u.Key {
		return Good
	}
	t.waiting = false
	p := Packet{PTS: u.PTS(), DTS: u.DTS, Key: u.Key, Data: u.Data}
	if d.hold(s, p) {
		return Good
	}
	if f := d.release(); f != Good {
		return f
	}
	return d.deliver(s, p)
}

// heldPacket is a packet that waits for the other track; its data is its own.
type heldPacket struct {
	slot Slot
	Packet
}

// maxHeld bounds what waits, in bytes.
const maxHeld = 4 << 20

// hold keeps the pictures of a stream's first moment back while its metadata speaks of
// sound that has not begun, so that both tracks are exposed together: G.711 and MP3
// show by their first frame only. A player of GStreamer 1.22 may stumble over a track
// that comes later.
func (d *Demuxer) hold(s Slot, p Packet) bool {
	if d.settled || !d.expect || s != Video || d.tracks[Audio].there || d.heldSize+len(p.Data) > maxHeld ||
		len(d.held) > 0 && p.DTS-d.held[0].DTS > expectTracks {
		return false
	}
	p.Data = bytes.Clone(p.Data)
	d.held = append(d.held, heldPacket{s, p})
	d.heldSize += len(p.Data)
	return true
}

// release lets go what was held back.
func (d *Demuxer) release() Flow {
	held := d.held
	d.settled, d.held, d.heldSize = true, nil, 0
	for i := range held {
		if f := d.deliver(held[i].slot, held[i].Packet); f != Good {
			return f
		}
	}
	return Good
}

func (d *Demuxer) deliver(s Slot, p Packet) Flow {
	t := &d.tracks[s]
	d.expose()
	d.follow(p.DTS)
	p.Discont, t.discont = t.discont, false
	t.last = max(t.last, p.DTS)
	if f := d.out.Push(s, p); f != Good {
		return f
	}
	d.fill(s)
	if !d.complete && (d.tracks[Video].there && d.tracks[Audio].there || p.DTS-d.first > expectTracks) {
		d.completed()
	}
	return Good
}

func slotOf(u *demux.Unit) Slot {
	if u.Kind == demux.Video {
		return Video
	}
	return Audio
}

// follow notes the time of a unit, and begins a segment where there is none or the
// sender's clock is another one.
func (d *Demuxer) follow(dts time.Duration) {
	step := dts - d.last
	switch {
	case !d.began:
		d.segment = Segment{Start: dts, Base: d.runningEnd()}
		d.began, d.first, d.last = true, dts, dts
		if dts < nearZero && d.segment.Base == 0 {
			d.segment.Start = 0
		}
		for i := range d.tracks {
			d.tracks[i].last = dts
		}
	case step < -maxBack || step > maxForward:
		d.segment = Segment{Start: dts, Base: d.runningEnd()}
		d.first, d.last = dts, dts
		for i := range d.tracks {
			d.tracks[i].last, d.tracks[i].discont = dts, true
		}
	default:
		d.last = max(d.last, dts)
		return
	}
	if !d.timed {
		d.out.Segment(d.segment)
	}
}

// runningEnd is the running time behind the last unit; 0 before the first.
func (d *Demuxer) runningEnd() time.Duration {
	if d.last == 0 && d.segment == (Segment{}) {
		return 0
	}
	return d.segment.Base + d.last - d.segment.Start + nominal
}

// fill says of the track beside s that it has a gap, once it is far behind.
func (d *Demuxer) fill(s Slot) {
	other := 1 - s
	t := &d.tracks[other]
	if at := d.tracks[s].last; t.there && at-t.last > sparse {
		d.out.Gap(other, t.last, at-t.last)
		t.last = at
	}
}

// configure takes a decoder configuration.
func (d *Demuxer) configure(u *demux.Unit) {
	f := Format{Codec: u.Codec, Config: u.Data}
	if u.Kind == demux.Video {
		i, err := h26x.Info(u.Codec, u.Data)
		if err != nil {
			d.warnOnce(fmt.Sprintf("%v configuration: %v", u.Codec, err))
			return
		}
		f.Width, f.Height, f.FPS = i.Width, i.Height, i.FPS
		if f.FPS == 0 {
			f.FPS = d.fps
		}
	} else if !d.sound(u, &f) {
		return
	}
	d.put(slotOf(u), &f)
}

// hear makes a track of audio whose codec has no configuration, from its frame.
func (d *Demuxer) hear(u *demux.Unit) {
	if t := &d.tracks[Audio]; t.there && t.format.Codec == u.Codec || u.Codec == demux.AAC || u.Codec == demux.Opus {
		return
	}
	f := Format{Codec: u.Codec}
	if d.sound(u, &f) {
		d.put(Audio, &f)
	}
}

func (d *Demuxer) sound(u *demux.Unit, f *Format) bool {
	t, err := fmp4.AudioTrack(u)
	if err != nil {
		d.warnOnce(fmt.Sprintf("%v: %v", u.Codec, err))
		return false
	}
	f.Rate, f.Channels = t.Rate, t.Channels
	return true
}

// put makes f the format of a slot.
func (d *Demuxer) put(s Slot, f *Format) {
	t := &d.tracks[s]
	if t.there && t.format.same(f) {
		return
	}
	f.Config = bytes.Clone(f.Config)
	switch {
	case !t.there:
		*t = track{there: true, format: *f, last: d.last, discont: true, waiting: s == Video}
		d.out.Add(s, f)
		d.added = true
	default:
		// Another codec too: GStreamer's players wait for ever, or end, where one of two
		// pads is exchanged. What is behind the pad takes the new caps, or says that it
		// cannot.
		t.discont = t.discont || t.format.Codec != f.Codec
		t.format = *f
		t.waiting = s == Video // pictures of the old configuration cannot follow
		d.out.Change(s, f)
	}
}

func (f *Format) same(g *Format) bool {
	return f.Codec == g.Codec && f.Rate == g.Rate && f.Channels == g.Channels && bytes.Equal(f.Config, g.Config)
}

func (d *Demuxer) script(u *demux.Unit) {
	m, err := flv.ParseMetadata(u.Data)
	if err != nil {
		return // other script data
	}
	if m.FrameRate > 0 {
		d.fps = m.FrameRate
	}
	d.expect = m.AudioCodec != 0
	d.out.Metadata(m)
}

// maxWarnings bounds what is remembered of them.
const maxWarnings = 32

func (d *Demuxer) warnOnce(text string) {
	if !d.unknown[text] && len(d.unknown) < maxWarnings {
		d.unknown[text] = true
		d.out.Warn(errors.New(text))
	}
}
