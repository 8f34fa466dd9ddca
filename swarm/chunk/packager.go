// SPDX-License-Identifier: LGPL-2.1-or-later

package chunk

import (
	"bytes"
	"crypto/ed25519"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

const (
	// MaxSpan is how much of a stream's time goes into one chunk. It is also how long
	// the first tag of a chunk may wait for the others: see Packager.Flush.
	MaxSpan = 50 * time.Millisecond

	// jumpBack and jumpAhead are how far an origin's clock may step between two tags
	// before it is a clock that was set anew.
	jumpBack  = time.Second
	jumpAhead = 10 * time.Second
	// stall is how much longer than its tags say an origin may be silent before what
	// follows is another epoch: peers measure lag by the clock of an epoch.
	stall = 2 * time.Second
	// soundAlone is how much sound must come without a picture for a stream to be
	// taken as one without pictures.
	soundAlone = time.Second
)

// PackagerConfig configures a Packager. It is copied.
type PackagerConfig struct {
	// Key is the source's; it signs.
	Key ed25519.PrivateKey
	// Stream is the stream's name; with the key it makes the swarm's ID.
	Stream string
	// First is the sequence of the first chunk, and Number of the first epoch. Both must
	// be larger than whatever the source has used for the stream before.
	First  uint64
	Number uint32
	// Begin is told of each epoch, before Emit of its first chunk. Both are called by
	// the methods of the Packager.
	Begin func(*Epoch)
	Emit  func(*Chunk)
}

// slots of an epoch's tags, in their order.
const (
	slotMetadata = iota
	slotVideo
	slotAudio
	slots
)

// Packager cuts a stream's tags into its canonical chunks. It belongs to one goroutine.
//
// A stream begins with a key frame; what comes before it is left out. Times go on
// without a step back of more than a second, whatever the origin's do. Where an origin
// begins anew, sets its clock, is silent for seconds or changes a configuration, another
// epoch begins.
type Packager struct {
	cfg      PackagerConfig
	swarm    ID
	seal     *seal // nil: not sealed
	next     uint64
	number   uint32
	run      uint64
	init     [slots][]byte // whole tags, stamped
	hasVideo bool
	hasAudio bool

	begun   bool // an epoch is under way
	pending bool // the next tag begins one
	waiting bool // for a key frame

	offset   int64     // ms that are added to the origin's times
	last     int64     // ms, stamped, of the last tag
	lastSeen time.Time // when it came
	soundAt  int64     // ms by the origin: the first sound while no picture has come; -1: none

	b     []byte // the chunk that is being filled, behind HeaderSize free bytes; nil: none
	flags Flags
	first int64 // ms: its first tag's time
}

// NewPackager makes a packager that waits for a stream to begin.
func NewPackager(cfg PackagerConfig) *Packager {
	return &Packager{
		cfg: cfg, swarm: IDOf(cfg.Key.Public().(ed25519.PublicKey), cfg.Stream),
		next: cfg.First, run: cfg.First, number: cfg.Number, waiting: true, soundAt: -1,
	}
}

// Swarm is the ID of the stream's swarm.
func (p *Packager) Swarm() ID { return p.swarm }

// SetKey has the chunks from now on sealed with k. Without a key they are not sealed.
func (p *Packager) SetKey(k StreamKey) error {
	s, err := newSeal(k, p.swarm)
	if err != nil {
		return err
	}
	p.Flush()
	if p.seal == nil && p.begun {
		p.pending = true // an epoch is sealed as a whole
	}
	p.seal = s
	return nil
}

// Restart says that what follows comes from another connection to the origin.
func (p *Packager) Restart() {
	p.Flush()
	p.pending, p.waiting, p.soundAt = true, true, -1
	p.hasVideo, p.hasAudio, p.init = false, false, [slots][]byte{}
}

// Flush ends the chunk that is being filled, if there is one.
func (p *Packager) Flush() {
	if p.b != nil {
		p.emit(p.b, p.flags|End, p.first)
		p.b = nil
	}
}

// Filling is the sequence of the chunk that is being filled, if there is one: its tags
// wait for others, or for Flush.
func (p *Packager) Filling() (sequence uint64, ok bool) { return p.next, p.b != nil }

// Put takes a tag, which came at now, and what was found in it; nothing of it is kept
// but copies.
func (p *Packager) Put(t *flv.Tag, u *demux.Unit, now time.Time) {
	switch u.Kind {
	case demux.Video:
		p.hasVideo = true
	case demux.Audio:
		p.hasAudio = true
	}
	ms := u.DTS.Milliseconds()
	if slot := slotOf(t, u, p.begun && !p.waiting); slot >= 0 && p.configure(slot, t, ms) {
		return
	}
	if p.waiting && !p.startsAt(u, ms) {
		return
	}
	p.follow(ms, now)
	if p.pending || !p.begun {
		p.begin(ms)
	}
	p.append(t.Raw, ms+p.offset, p.startsHere(u))
	p.last, p.lastSeen = max(p.last, ms+p.offset), now
}

// slotOf is where in an epoch a tag belongs, -1 for one that goes with the stream.
func slotOf(t *flv.Tag, u *demux.Unit, running bool) int {
	switch {
	case u.Config && u.Kind == demux.Video:
		return slotVideo
	case u.Config && u.Kind == demux.Audio:
		return slotAudio
	case u.Kind == demux.Data && !running:
		if _, err := flv.ParseMetadata(t.Payload); err == nil {
			return slotMetadata
		}
	}
	return -1
}

// configure keeps a tag for the epoch that begins next. A configuration that is as
// before goes with the stream like any other tag: false.
func (p *Packager) configure(slot int, t *flv.Tag, ms int64) bool {
	if old := p.init[slot]; old != nil && !p.pending && bytes.Equal(old[tagHeaderSize:len(old)-4], t.Payload) {
		return !p.begun || p.waiting
	}
	size := len(t.Raw)
	for i, tag := range p.init {
		if i != slot {
			size += len(tag)
		}
	}
	if size > MaxInit {
		return true // no decoder's configuration is as large as that
	}
	p.Flush()
	p.init[slot] = bytes.Clone(t.Raw)
	p.pending = true
	return true
}

// startsAt says whether the stream begins with this unit.
func (p *Packager) startsAt(u *demux.Unit, ms int64) bool {
	switch {
	case u.Kind == demux.Video:
		return u.Key && !u.Config
	case u.Kind != demux.Audio || p.hasVideo:
		return false
	case p.soundAt < 0 || ms < p.soundAt:
		p.soundAt = ms
	}
	return time.Duration(ms-p.soundAt)*time.Millisecond >= soundAlone
}

// startsHere says whether decoding can begin with this unit.
func (p *Packager) startsHere(u *demux.Unit) bool {
	return u.Key && !u.Config && (u.Kind == demux.Video || u.Kind == demux.Audio && !p.hasVideo)
}

// follow keeps the stream's time going where the origin's does something else.
func (p *Packager) follow(ms int64, now time.Time) {
	if p.lastSeen.IsZero() {
		p.offset = -ms
		return
	}
	passed := now.Sub(p.lastSeen)
	step := time.Duration(ms+p.offset-p.last) * time.Millisecond
	switch {
	case p.waiting || step < -jumpBack || step > jumpAhead:
		p.offset = p.last + max(passed.Milliseconds(), 1) - ms
		p.pending = true
	case passed-step > stall:
		p.pending = true
	}
}

// begin begins an epoch with the tag that the origin stamped ms.
func (p *Packager) begin(ms int64) {
	p.Flush()
	e := &Epoch{Swarm: p.swarm, Number: p.number, First: p.next, Run: p.run, Sealed: p.seal != nil, Video: p.hasVideo, Audio: p.hasAudio}
	for _, tag := range p.init {
		if tag != nil {
			setTagTime(tag, uint32(ms+p.offset))
			e.Init = append(e.Init, tag...)
		}
	}
	p.number++
	p.begun, p.pending, p.waiting = true, false, false
	e.sign(p.cfg.Key)
	p.cfg.Begin(e)
}

// append puts a whole tag into chunks.
func (p *Packager) append(tag []byte, ms int64, key bool) {
	if p.b != nil && (key && p.hasVideo || ms-p.first >= MaxSpan.Milliseconds() || len(p.b)-HeaderSize+len(tag) > MaxPayload) {
		p.Flush()
	}
	if p.b == nil {
		// Room for what usually follows, so that most chunks are not copied as they grow.
		p.b = make([]byte, HeaderSize, HeaderSize+min(max(len(tag), 4<<10), MaxPayload)+sealOverhead)
		p.flags, p.first = Start, ms
		if key {
			p.flags |= Key
		}
	}
	at := len(p.b)
	if len(tag) <= MaxPayload {
		p.b = append(p.b, tag...)
		setTagTime(p.b[at:], uint32(ms))
		return
	}
	stamped := bytes.Clone(tag)
	setTagTime(stamped, uint32(ms))
	p.b = nil
	flags := p.flags
	for rest := stamped; len(rest) > 0; flags = 0 {
		n := min(len(rest), MaxPayload)
		if n == len(rest) {
			flags |= End
		}
		b := make([]byte, HeaderSize, HeaderSize+n+sealOverhead)
		p.emit(append(b, rest[:n]...), flags, ms)
		rest = rest[n:]
	}
}

func (p *Packager) emit(b []byte, flags Flags, ms int64) {
	h := Header{Flags: flags, Swarm: p.swarm, Epoch: p.number - 1, Sequence: p.next, DTS: uint32(ms)}
	if p.seal != nil {
		h.Length = len(b) - HeaderSize
		b = p.seal.close(&h, b)
	}
	p.next++
	p.cfg.Emit(build(p.cfg.Key, h, b))
}
