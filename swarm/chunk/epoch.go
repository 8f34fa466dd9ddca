// SPDX-License-Identifier: LGPL-2.1-or-later

package chunk

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// MaxInit bounds the tags that an epoch carries, in bytes.
	MaxInit = 64 << 10
	// MaxEpochSize is the length of the longest epoch on the wire.
	MaxEpochSize = epochHeader + MaxInit

	epochSigned = 44
	epochHeader = epochSigned + ed25519.SignatureSize
)

const (
	epochSealed = 1 << iota
	epochVideo
	epochAudio
)

// ErrEpoch says that bytes are no epoch of the swarm.
var ErrEpoch = errors.New("not an epoch of the stream")

// Epoch is a stretch of a stream with one set of decoder configurations and one
// clock. On the wire (numbers are big-endian):
//
//	  0  'x' 'e'     magic
//	  2  1           version
//	  3  flags       1 sealed, 2 video, 4 audio
//	  4  swarm       16 bytes
//	 20  number      32 bits; later epochs have larger ones
//	 24  first       64 bits: sequence of the epoch's first chunk
//	 32  run         64 bits: sequence of the first chunk of the source's run
//	 40  length      32 bits: of the tags
//	 44  signature   64 bytes: Ed25519 over all other bytes behind "xp2p epoch 1" and a zero byte
//	108  tags        onMetaData and the configurations, whole FLV tags
type Epoch struct {
	Swarm  ID
	Number uint32
	// First is the sequence of the epoch's first chunk. It follows the last of the
	// epoch before, unless that was of another run: no sequence in front of Run is
	// coming any more then.
	First, Run uint64
	// Sealed: its chunks are.
	Sealed       bool
	Video, Audio bool
	// Init is the tags that decoders need before the first chunk with the flag Key.
	Init []byte

	raw []byte
}

// Bytes are the epoch as it is on the wire.
func (e *Epoch) Bytes() []byte { return e.raw }

func (e *Epoch) sign(key ed25519.PrivateKey) {
	var flags byte
	for _, f := range []struct {
		on  bool
		bit byte
	}{{e.Sealed, epochSealed}, {e.Video, epochVideo}, {e.Audio, epochAudio}} {
		if f.on {
			flags |= f.bit
		}
	}
	b := append(make([]byte, 0, epochHeader+len(e.Init)), 'x', 'e', version, flags)
	b = append(b, e.Swarm[:]...)
	b = binary.BigEndian.AppendUint32(b, e.Number)
	b = binary.BigEndian.AppendUint64(b, e.First)
	b = binary.BigEndian.AppendUint64(b, e.Run)
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Init)))
	b = append(b, ed25519.Sign(key, epochMessage(b, e.Init))...)
	e.raw = append(b, e.Init...)
	e.Init = e.raw[epochHeader:]
}

func epochMessage(header, tags []byte) []byte {
	m := make([]byte, 0, len(epochContext)+len(header)+len(tags))
	return append(append(append(m, epochContext...), header...), tags...)
}

// Epoch reads and verifies the epoch that b is, as a whole. It keeps b. The error is
// ErrEpoch or ErrSignature.
func (v *Verifier) Epoch(b []byte) (*Epoch, error) {
	if len(b) < epochHeader || len(b) > MaxEpochSize || b[0] != 'x' || b[1] != 'e' || b[2] != version {
		return nil, fmt.Errorf("%w: %d bytes", ErrEpoch, len(b))
	}
	e := &Epoch{
		Swarm:  ID(b[4:20]),
		Number: binary.BigEndian.Uint32(b[20:]),
		First:  binary.BigEndian.Uint64(b[24:]),
		Run:    binary.BigEndian.Uint64(b[32:]),
		Sealed: b[3]&epochSealed != 0,
		Video:  b[3]&epochVideo != 0,
		Audio:  b[3]&epochAudio != 0,
		Init:   b[epochHeader:],
		raw:    b[:len(b):len(b)],
	}
	switch {
	case e.Swarm != v.Swarm:
		return nil, fmt.Errorf("%w: it is of another stream", ErrEpoch)
	case binary.BigEndian.Uint32(b[40:]) != uint32(len(e.Init)):
		return nil, fmt.Errorf("%w: its length is wrong", ErrEpoch)
	case e.First < e.Run || e.First >= MaxSequence:
		return nil, fmt.Errorf("%w: it begins before its run", ErrEpoch)
	case !ed25519.Verify(v.Source, epochMessage(b[:epochSigned], e.Init), b[epochSigned:epochHeader]):
		return nil, ErrSignature
	}
	if _, err := walkTags(e.Init, nil); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEpoch, err)
	}
	return e, nil
}
