// SPDX-License-Identifier: LGPL-2.1-or-later

package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
)

const (
	// DefaultLifetime is how long a code holds (reference/xp2p.md §8).
	DefaultLifetime = 86400 * time.Second
	// maxKeys of a code are kept: the one before, the one in use, and the next.
	maxKeys = 3
	// maxLead is how long before its use a key is given out at most.
	maxLead = 5 * time.Minute
)

// Record is a code and its keys. Its secrets are in whatever keeps it: see LogValue
// of chunk.StreamKey.
type Record struct {
	Code   string            `json:"code"`
	Expire time.Time         `json:"expire"`
	Keys   []chunk.StreamKey `json:"keys"` // the oldest first, at least one
}

func (r Record) clone() Record {
	r.Keys = slices.Clone(r.Keys)
	return r
}

// Newest is the key that was made last.
func (r Record) Newest() chunk.StreamKey { return r.Keys[len(r.Keys)-1] }

// Issuer makes keys for a source: a Service in the same process, or a Client of one
// elsewhere.
type Issuer interface {
	// Create makes a code with a first key.
	Create(ctx context.Context) (Record, error)
	// Rotate adds a key to a code, which holds as long as a new one from then on. The
	// error is ErrNoCode where it has expired before.
	Rotate(ctx context.Context, code string) (Record, error)
	// Lookup finds the keys that a code has. The error is ErrNoCode where it does not hold.
	Lookup(ctx context.Context, code string) (Record, error)
}

// Service makes codes and keys.
type Service struct {
	store    Store
	lifetime time.Duration
	now      func() time.Time
}

// NewService makes a service whose codes hold for lifetime; 0: DefaultLifetime.
func NewService(store Store, lifetime time.Duration) *Service {
	if lifetime <= 0 {
		lifetime = DefaultLifetime
	}
	return &Service{store: store, lifetime: lifetime, now: time.Now}
}

// Lead is how long before the use of a new key viewers can have it, given how long
// codes hold.
func Lead(lifetime time.Duration) time.Duration { return min(lifetime/8, maxLead) }

// Create implements Issuer.
func (s *Service) Create(ctx context.Context) (Record, error) {
	r := Record{Code: newCode(), Expire: s.now().Add(s.lifetime), Keys: []chunk.StreamKey{newKey(1)}}
	return r, s.store.Put(ctx, r, 0)
}

// Rotate implements Issuer.
func (s *Service) Rotate(ctx context.Context, code string) (Record, error) {
	for {
		r, revision, err := s.get(ctx, code)
		if err != nil {
			return Record{}, err
		}
		r.Keys = append(r.Keys, newKey(r.Newest().ID+1))
		r.Keys = r.Keys[max(0, len(r.Keys)-maxKeys):]
		r.Expire = s.now().Add(s.lifetime)
		err = s.store.Put(ctx, r, revision)
		if errors.Is(err, ErrChanged) {
			continue // by another source of the stream; ctx ends it
		}
		return r, err
	}
}

// Lookup implements Issuer.
func (s *Service) Lookup(ctx context.Context, code string) (Record, error) {
	r, _, err := s.get(ctx, code)
	return r, err
}

func (s *Service) get(ctx context.Context, code string) (Record, uint64, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, 0, err
	}
	if !isCode(code) {
		return Record{}, 0, ErrNoCode
	}
	r, revision, err := s.store.Get(ctx, code)
	switch {
	case err != nil:
		return Record{}, 0, err
	case !s.now().Before(r.Expire) || len(r.Keys) == 0:
		return Record{}, 0, ErrNoCode
	}
	return r, revision, nil
}

func newKey(id uint32) chunk.StreamKey {
	k := chunk.StreamKey{ID: id}
	rand.Read(k.Secret[:]) // never fails
	return k
}

// newCode is a random UUID (RFC 9562 §5.4).
func newCode() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// isCode says whether s has a code's form: whatever else is asked for does not reach
// the store.
func isCode(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}
