// SPDX-License-Identifier: LGPL-2.1-or-later

package chunk

import (
	"crypto/ed25519"
	"crypto/sha256"
)

// What is signed is told apart by the text in front.
const (
	chunkContext = "xp2p chunk 1\x00"
	epochContext = "xp2p epoch 1\x00"
)

// build signs h for the payload that stands behind HeaderSize free bytes in b, writes
// the header there and returns the chunk.
func build(key ed25519.PrivateKey, h Header, b []byte) *Chunk {
	h.Length = len(b) - HeaderSize
	h.Sum = sha256.Sum256(b[HeaderSize:])
	var buf [len(chunkContext) + signedSize]byte
	msg := h.appendSigned(append(buf[:0], chunkContext...))
	copy(b, msg[len(chunkContext):])
	copy(b[signedSize:HeaderSize], ed25519.Sign(key, msg))
	return &Chunk{Header: h, raw: b}
}

// Verifier knows a swarm and the key of its source.
type Verifier struct {
	Swarm  ID
	Source ed25519.PublicKey
}

// NewVerifier is the verifier of a stream by the key of its source.
func NewVerifier(source ed25519.PublicKey, stream string) *Verifier {
	return &Verifier{Swarm: IDOf(source, stream), Source: source}
}

// Verify says whether the source made the chunk as it is: nil, ErrSwarm, ErrSum or
// ErrSignature. Nothing of a chunk may be used or passed on before.
func (v *Verifier) Verify(c *Chunk) error {
	if c.Swarm != v.Swarm {
		return ErrSwarm
	}
	if sha256.Sum256(c.Payload()) != c.Sum {
		return ErrSum
	}
	var buf [len(chunkContext) + signedSize]byte
	msg := append(append(buf[:0], chunkContext...), c.raw[:signedSize]...)
	if !ed25519.Verify(v.Source, msg, c.raw[signedSize:HeaderSize]) {
		return ErrSignature
	}
	return nil
}
