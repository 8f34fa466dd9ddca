// SPDX-License-Identifier: LGPL-2.1-or-later

package chunk

import (
	"errors"
	"fmt"

	"github.com/xp2p/xp2p/demux/flv"
)

// ErrNoKey says that the key of a chunk is not known (yet): the chunk can be given again.
var ErrNoKey = errors.New("the key of the chunk is not known")

// maxHeld bounds the pieces of one tag: FLV's largest.
const maxHeld = tagOverhead + maxUint24

// Assembler makes an FLV stream of chunks. Its tags are those of the Packager, from a
// key frame on; where chunks are missing it goes on at the next key frame. It belongs
// to one goroutine.
type Assembler struct {
	swarm ID
	keys  func(id uint32) (StreamKey, bool)
	seal  *seal

	next    uint64 // the sequence that continues the stream
	started bool   // next is valid, and nothing is missing
	epoch   uint32
	run     uint64
	written bool // the stream's header, that is, and with it an epoch's tags

	held   []byte // pieces of a tag that is not whole
	offset uint32 // ms that are added to times: a source that begins again counts from 0
	last   uint32 // ms, of the last tag that was written

	tags    uint64
	skipped uint64
}

// NewAssembler makes one for a swarm's chunks. keys finds the key with an id; it must
// not block.
func NewAssembler(swarm ID, keys func(id uint32) (StreamKey, bool)) *Assembler {
	return &Assembler{swarm: swarm, keys: keys}
}

// Tags is how many tags of chunks were written, Skipped how many chunks could not be used:
// those in front of the first key frame, and behind missing ones up to the next.
func (a *Assembler) Tags() uint64    { return a.tags }
func (a *Assembler) Skipped() uint64 { return a.skipped }

// Broken says that chunks are missing: the next chunk that can be used has the flag Key.
func (a *Assembler) Broken() bool { return !a.started }

// Break has the stream go on at the next key frame: what was made last was not used.
func (a *Assembler) Break() { a.started, a.held = false, a.held[:0] }

// Append appends what the chunk adds to the stream to dst; e is the chunk's epoch.
// Chunks come in the order of their sequences; both must have been verified. A chunk
// that is missing is no error. The error is ErrNoKey, ErrSeal, or says that the source
// made a chunk that cannot be used; the chunk is then skipped like a missing one.
func (a *Assembler) Append(dst []byte, c *Chunk, e *Epoch) ([]byte, error) {
	if c.Epoch != e.Number || c.Swarm != a.swarm || e.Swarm != a.swarm {
		return dst, fmt.Errorf("%w: chunk %d of epoch %d does not belong to epoch %d", ErrForm, c.Sequence, c.Epoch, e.Number)
	}
	if !a.started || c.Sequence != a.next {
		a.started, a.held = false, a.held[:0]
		if c.Flags&Key == 0 {
			a.skipped++
			return dst, nil
		}
	}
	at := len(a.held)
	err := a.open(c)
	if errors.Is(err, ErrNoKey) {
		return dst, err
	}
	a.next, a.started = c.Sequence+1, true
	if err == nil && (c.Flags&Start != 0) != (at == 0) {
		err = fmt.Errorf("%w: chunk %d does not continue the one before", ErrForm, c.Sequence)
	}
	if err == nil && len(a.held) > maxHeld {
		err = fmt.Errorf("%w: a tag is larger than FLV can have", ErrForm)
	}
	if err == nil && c.Flags&End != 0 {
		dst, err = a.flush(dst, c, e)
	}
	if err != nil {
		a.started, a.held = false, a.held[:0]
		a.skipped++
	}
	return dst, err
}

// open puts a chunk's content behind what is held.
func (a *Assembler) open(c *Chunk) (err error) {
	if c.KeyID == 0 {
		a.held = append(a.held, c.Payload()...)
		return nil
	}
	if a.seal == nil || a.seal.id != c.KeyID {
		k, ok := a.keys(c.KeyID)
		if !ok {
			return ErrNoKey
		}
		if a.seal, err = newSeal(k, a.swarm); err != nil {
			return err
		}
	}
	a.held, err = a.seal.open(a.held, c)
	return err
}

// flush writes the whole tags that are held.
func (a *Assembler) flush(dst []byte, c *Chunk, e *Epoch) ([]byte, error) {
	n, err := walkTags(a.held, nil)
	if err != nil {
		return dst, fmt.Errorf("%w: chunk %d: %w", ErrForm, c.Sequence, err)
	}
	if !a.written || a.epoch != e.Number {
		dst = a.begin(dst, e)
	}
	dst = a.write(dst, a.held)
	a.tags += uint64(n)
	a.held = a.held[:0]
	if cap(a.held) > 4*MaxPayload {
		a.held = nil // a large key frame's room is not kept for small ones
	}
	return dst, nil
}

// begin writes what decoders need for an epoch.
func (a *Assembler) begin(dst []byte, e *Epoch) []byte {
	if !a.written {
		dst = flv.AppendHeader(dst, e.Video, e.Audio)
	} else if a.run != e.Run && len(a.held) >= tagOverhead {
		if t := tagTime(a.held) + a.offset; int32(t-a.last) <= 0 {
			a.offset += a.last + 1 - t
		}
	}
	a.written, a.epoch, a.run = true, e.Number, e.Run
	return a.write(dst, e.Init)
}

// write appends tags with their times shifted.
func (a *Assembler) write(dst, tags []byte) []byte {
	at := len(dst)
	dst = append(dst, tags...)
	walkTags(dst[at:], func(tag []byte) {
		t := tagTime(tag) + a.offset
		if a.offset != 0 {
			setTagTime(tag, t)
		}
		if int32(t-a.last) > 0 {
			a.last = t
		}
	})
	return dst
}
