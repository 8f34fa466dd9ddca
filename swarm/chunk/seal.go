// SPDX-License-Identifier: LGPL-2.1-or-later

package chunk

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
)

const (
	// KeySize of a stream's key in bytes: the key service's 64 hex digits.
	KeySize      = 32
	sealOverhead = 16
)

// StreamKey is a key of the key service. ID is in the header of what it seals; 0 is
// no key.
type StreamKey struct {
	ID     uint32
	Secret [KeySize]byte
}

// LogValue keeps the secret out of every log.
func (k StreamKey) LogValue() slog.Value { return slog.Uint64Value(uint64(k.ID)) }

// String keeps it out of texts.
func (k StreamKey) String() string { return fmt.Sprintf("key %d", k.ID) }

// ErrSeal says that a payload does not open with the key that its header names.
var ErrSeal = errors.New("the chunk does not open with its key: is the code another stream's?")

// seal opens and closes payloads of one swarm with one key. Sequences never repeat
// under a key (a source begins each run with a fresh one), so they make the nonce.
type seal struct {
	id   uint32
	aead cipher.AEAD
}

func newSeal(k StreamKey, swarm ID) (*seal, error) {
	secret, err := hkdf.Key(sha256.New, k.Secret[:], swarm[:], "xp2p chunk seal 1", KeySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &seal{id: k.ID, aead: aead}, nil
}

func nonce(sequence uint64) (n [12]byte) {
	binary.BigEndian.PutUint64(n[4:], sequence)
	return n
}

// additional is what the seal covers besides the payload: all that is said of it but
// its length, which GCM knows.
func (h *Header) additional() []byte { return h.appendSigned(make([]byte, 0, signedSize))[:sealedSize] }

// close seals what stands behind HeaderSize bytes in b, in place.
func (s *seal) close(h *Header, b []byte) []byte {
	h.KeyID = s.id
	n := nonce(h.Sequence)
	return s.aead.Seal(b[:HeaderSize], n[:], b[HeaderSize:], h.additional())
}

// open appends a chunk's content to dst.
func (s *seal) open(dst []byte, c *Chunk) ([]byte, error) {
	n := nonce(c.Sequence)
	out, err := s.aead.Open(dst, n[:], c.Payload(), c.raw[:sealedSize])
	if err != nil {
		return dst, ErrSeal
	}
	return out, nil
}
