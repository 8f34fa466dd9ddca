// SPDX-License-Identifier: LGPL-2.1-or-later

package chunk

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

const (
	// Stripes is how many trees carry a stream: chunk n belongs to stripe n mod Stripes.
	Stripes = 4
	// HeaderSize is the length of a header in bytes.
	HeaderSize = 140
	// MaxPayload is the most that a chunk carries of a stream, in bytes.
	MaxPayload = 32 << 10
	// MaxSequence is beyond what a source uses, so that nobody need think of sequences
	// that wrap.
	MaxSequence = 1 << 62
	// MaxSize is the length of the longest chunk on the wire.
	MaxSize = HeaderSize + MaxPayload + sealOverhead

	signedSize = 76 // what the signature covers
	sealedSize = 40 // what the seal covers
	version    = 1
)

// Flags say where a payload begins and ends.
type Flags uint8

const (
	// Start: the payload begins with a tag, not within one.
	Start Flags = 1 << iota
	// End: the payload ends with a tag.
	End
	// Key: the first tag is one at which decoding can begin, behind the epoch's own tags.
	Key

	allFlags = Start | End | Key
)

// ID names a swarm: one stream of one source.
type ID [16]byte

// IDOf is the swarm of a stream by the key of its source.
func IDOf(source ed25519.PublicKey, stream string) ID {
	h := sha256.New()
	h.Write([]byte("xp2p swarm 1\x00"))
	h.Write(source)
	h.Write([]byte(stream))
	return ID(h.Sum(nil)[:16])
}

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Header is what a chunk says of itself.
type Header struct {
	Flags    Flags
	Swarm    ID
	Epoch    uint32
	Sequence uint64
	KeyID    uint32 // 0: not sealed
	DTS      uint32 // ms
	Length   int    // bytes of the payload
	Sum      [sha256.Size]byte
}

// Stripe is the tree that carries the chunk.
func (h *Header) Stripe() int { return StripeOf(h.Sequence) }

// StripeOf is the tree that carries the chunk with a sequence.
func StripeOf(sequence uint64) int { return int(sequence % Stripes) }

// Why bytes are no chunk of the swarm. Whoever sent them, knowing the source's key,
// did so against better knowledge.
var (
	ErrForm      = errors.New("not a chunk")
	ErrSwarm     = errors.New("the chunk is of another stream")
	ErrSum       = errors.New("the chunk's payload does not have its hash")
	ErrSignature = errors.New("the chunk is not signed by the stream's source")
)

// Chunk is one chunk with its bytes, which nobody changes.
type Chunk struct {
	Header
	raw []byte
}

// Bytes are the chunk as it is on the wire.
func (c *Chunk) Bytes() []byte { return c.raw }

// Payload is the chunk's payload as it is on the wire.
func (c *Chunk) Payload() []byte { return c.raw[HeaderSize:] }

// Parse reads the chunk that b is, as a whole. It keeps b. Whether the source made
// it, Verifier says.
func Parse(b []byte) (*Chunk, error) {
	if len(b) < HeaderSize {
		return nil, fmt.Errorf("%w: %d bytes are shorter than a header", ErrForm, len(b))
	}
	if b[0] != 'x' || b[1] != 'c' || b[2] != version {
		return nil, fmt.Errorf("%w: it begins with % x", ErrForm, b[:3])
	}
	c := &Chunk{raw: b[:len(b):len(b)]}
	c.Flags = Flags(b[3] >> 2)
	copy(c.Swarm[:], b[4:])
	c.Epoch = binary.BigEndian.Uint32(b[20:])
	c.Sequence = binary.BigEndian.Uint64(b[24:])
	c.KeyID = binary.BigEndian.Uint32(b[32:])
	c.DTS = binary.BigEndian.Uint32(b[36:])
	n := binary.BigEndian.Uint32(b[40:])
	copy(c.Sum[:], b[44:])
	limit := uint32(MaxPayload)
	if c.KeyID != 0 {
		limit += sealOverhead
	}
	switch {
	case int(b[3]&3) != c.Stripe():
		return nil, fmt.Errorf("%w: sequence %d is not of stripe %d", ErrForm, c.Sequence, b[3]&3)
	case c.Sequence >= MaxSequence:
		return nil, fmt.Errorf("%w: sequence %d", ErrForm, c.Sequence)
	case c.Flags&^allFlags != 0 || c.Flags&(Key|Start) == Key:
		return nil, fmt.Errorf("%w: flags %#x", ErrForm, c.Flags)
	case n > limit || int(n) != len(b)-HeaderSize:
		return nil, fmt.Errorf("%w: a payload of %d bytes and a header that says %d", ErrForm, len(b)-HeaderSize, n)
	}
	c.Length = int(n)
	return c, nil
}

// appendSigned appends the part of the header that is signed.
func (h *Header) appendSigned(b []byte) []byte {
	b = append(b, 'x', 'c', version, byte(h.Flags)<<2|byte(h.Stripe()))
	b = append(b, h.Swarm[:]...)
	b = binary.BigEndian.AppendUint32(b, h.Epoch)
	b = binary.BigEndian.AppendUint64(b, h.Sequence)
	b = binary.BigEndian.AppendUint32(b, h.KeyID)
	b = binary.BigEndian.AppendUint32(b, h.DTS)
	b = binary.BigEndian.AppendUint32(b, uint32(h.Length))
	return append(b, h.Sum[:]...)
}
