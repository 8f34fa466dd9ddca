// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"encoding/binary"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// Chunk is a stretch of the joined FLV stream: the file header, or whole tags.
type Chunk struct {
	Parts [][]byte // valid until the next call of Next
	Size  int      // bytes in all parts
	// Time is the media time of the chunk's first tag. It starts at 0 and goes
	// on over reconnections without a gap.
	Time time.Duration
	// Restart is set on the first chunk with media of each connection, and after
	// a jump of the camera's clock: from here on, Time has a new relation to the
	// time of arrival.
	Restart bool
	// Header is set on the chunk with the file header; it is always the first.
	Header bool
	// Position is set where a playback's relation to the wall clock changes: the
	// media at Time was recorded at Position.Time.
	Position *flv.Position
	// Offset is where in a downloaded file the chunk is, in bytes.
	Offset int64
	// Block, if not nil, holds the chunk's parts and is the caller's, who releases it:
	// they are valid until then.
	Block *Block
}

func (c *Chunk) add(b []byte) {
	c.Parts = append(c.Parts, b)
	c.Size += len(b)
}

const (
	// maxJump is the largest step of the camera's clock that is taken for a gap
	// in its media. More than that and the clock itself was changed.
	maxJump = 10 * time.Second

	// seam is the step of time from the last tag of a connection to the first of
	// the next: about a frame.
	seam = 40 * time.Millisecond

	// readSize is the least room offered to a read.
	readSize = 32 << 10

	// bothTracks are the header's flags for video and audio, used when a camera
	// sends no header of its own.
	bothTracks = 0x05
)

// splicer joins the FLV streams of successive connections into one: one file
// header, whole tags only, times that start at 0 and only go on.
type splicer struct {
	parser *flv.Parser

	sniffed []byte // the first bytes of the first connection
	begun   bool   // the file header was given out

	parts [][]byte // of the last chunk, to be used again

	held     bool // tag and unit are read and not yet given out
	tag      flv.Tag
	unit     demux.Unit
	damaged  uint64 // stretches skipped, in all connections
	anchored bool   // offset belongs to this connection
	offset   time.Duration
	lastIn   time.Duration // camera's time of the last media tag
	last     time.Duration // largest time given out
	any      bool          // a media tag was given out

	position flv.Position // what tag says, if it is an onPosition
	places   bool         // it is one
}

func newSplicer() *splicer { return &splicer{parser: flv.NewParser(flv.Options{})} }

// connect begins the stream of a new connection. What is left of the last one,
// a tag cut off in the middle, is dropped.
func (s *splicer) connect() {
	s.parser.Reset()
	s.held, s.anchored, s.places = false, false, false
	if !s.begun {
		s.sniffed = s.sniffed[:0]
	}
}

func (s *splicer) damage() uint64 { return s.damaged }

func (s *splicer) space() []byte { return s.parser.Space(readSize) }

func (s *splicer) filled(b []byte) {
	if n := len(headerStart); !s.begun && len(s.sniffed) < n {
		s.sniffed = append(s.sniffed, b[:min(len(b), n-len(s.sniffed))]...)
	}
	s.parser.Filled(len(b))
}

// next gives all whole tags received so far, up to one that sets the clock
// anew; false: more bytes are needed.
func (s *splicer) next() (Chunk, bool) {
	c := Chunk{Parts: s.parts[:0]}
	for s.read() {
		if !s.begun {
			s.begun = true
			c.Header = true
			c.add(s.header())
			break
		}
		if s.unit.EndOfSequence {
			// Demuxers end the whole stream at this tag, but a camera also sends it
			// where its stream is about to start anew. The end of the stream is told
			// by its own means.
			s.held = false
			continue
		}
		restart := s.restarts()
		if (restart || s.places) && c.Size > 0 {
			break
		}
		at := s.stamp(restart)
		if c.Size == 0 {
			c.Time, c.Restart = at, restart
		}
		if s.places {
			p := s.position
			c.Position, s.places = &p, false
		}
		c.add(s.tag.Raw)
		s.held = false
	}
	s.parts = c.Parts
	if !s.held && c.Size >= shareSize {
		s.share(&c)
	}
	return c, c.Size > 0
}

// share hands the parser's buffer on with the chunk.
func (s *splicer) share(c *Chunk) {
	c.Block = newBlock(max(c.Size, s.parser.Buffered()) + readSize)
	used := s.parser.Swap(c.Block.b)
	c.Block.b = used[:cap(used)]
	if len(used) < c.Size {
		return
	}
	// Tags without damage between them are one stretch.
	whole := used[len(used)-c.Size:]
	rest := whole
	for _, p := range c.Parts {
		if &rest[0] != &p[0] {
			return
		}
		rest = rest[len(p):]
	}
	s.parts = append(c.Parts[:0], whole)
	c.Parts = s.parts
}

// read makes tag and unit the next of the stream; false: more bytes are needed.
func (s *splicer) read() bool {
	for !s.held {
		switch err := s.parser.Next(&s.tag, &s.unit); err {
		case nil:
			s.held = true
			s.place()
		case flv.ErrNeedMore:
			return false
		default: // *flv.DamageError: what it tells of was skipped
			s.damaged++
		}
	}
	return true
}

// place looks whether the tag is an onPosition.
func (s *splicer) place() {
	if s.tag.Type != flv.TagScript {
		return
	}
	if p, err := flv.ParsePosition(s.tag.Payload); err == nil {
		s.position, s.places = p, true
	}
}

// isMedia: configuration and script data often carry the time 0 in the middle of
// a stream, so they say nothing about the clock. An onPosition has the time of
// the media behind it.
func (s *splicer) isMedia() bool {
	return s.places || s.tag.Type != flv.TagScript && !s.unit.Config && !s.unit.EndOfSequence
}

// restarts says whether the tag sets the clock anew.
func (s *splicer) restarts() bool {
	return s.isMedia() && (!s.anchored || s.unit.DTS-s.lastIn > maxJump || s.lastIn-s.unit.DTS > maxJump)
}

// stamp writes the joined stream's time into the tag and returns it.
func (s *splicer) stamp(restart bool) time.Duration {
	at := s.last
	if s.isMedia() {
		if restart {
			s.offset = -s.unit.DTS
			if s.any {
				s.offset += s.last + seam
			}
			s.anchored = true
		}
		s.lastIn, s.any = s.unit.DTS, true
		at = max(0, s.unit.DTS+s.offset)
		s.last = max(s.last, at)
	}
	rewrite(s.tag.Raw, uint32(at/time.Millisecond))
	return at
}

// rewrite sets the time of a whole tag, 24 bits and then the eight above them,
// and its PreviousTagSize, which cameras get wrong and demuxers rely on.
func rewrite(tag []byte, ms uint32) {
	tag[4], tag[5], tag[6], tag[7] = byte(ms>>16), byte(ms>>8), byte(ms), byte(ms>>24)
	size := len(tag) - 4
	binary.BigEndian.PutUint32(tag[size:], uint32(size))
}

// headerStart is how a version 1 file header begins; the flags follow.
const headerStart = "FLV\x01?"

func (s *splicer) header() []byte {
	flags := byte(bothTracks)
	if n := len(headerStart) - 1; len(s.sniffed) > n && string(s.sniffed[:n]) == headerStart[:n] {
		flags = s.sniffed[n]
	}
	return flv.AppendHeader(nil, flags&0x01 != 0, flags&0x04 != 0)
}
