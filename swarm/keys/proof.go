// SPDX-License-Identifier: LGPL-2.1-or-later

package keys

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"slices"

	"github.com/xp2p/xp2p/swarm/chunk"
)

// MaxProofs is how many keys a viewer proves at a time, the newest: the source may use one
// that is older than what the service gives out.
const MaxProofs = 4

// Proof shows that who makes it has a key of the stream: an HMAC with it (SHA-256, 32
// bytes) over the swarm and the pin of the viewer's own key, so that it is of no use to
// whom it is not for.
func Proof(k chunk.StreamKey, swarm chunk.ID, pin string) []byte {
	m := hmac.New(sha256.New, k.Secret[:])
	m.Write([]byte("xp2p member 1\x00"))
	m.Write(swarm[:])
	m.Write([]byte(pin))
	return m.Sum(nil)
}

// Proves says whether one of some proofs is made with a key.
func Proves(proofs [][]byte, k chunk.StreamKey, swarm chunk.ID, pin string) bool {
	want := Proof(k, swarm, pin)
	return slices.ContainsFunc(proofs, func(p []byte) bool { return hmac.Equal(p, want) })
}

// Proofs are those that can be made with the newest keys of the ring.
func (r *Ring) Proofs(swarm chunk.ID, pin string) (l [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]uint32, 0, len(r.keys))
	for id := range r.keys {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uint32) int { return cmp.Compare(b, a) })
	for _, id := range ids[:min(len(ids), MaxProofs)] {
		l = append(l, Proof(r.keys[id], swarm, pin))
	}
	return l
}
