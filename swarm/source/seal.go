// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"context"
	"fmt"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/keys"
	"github.com/xp2p/xp2p/swarm/wire"
)

// keyring is the source's own keys of a stream. Its fields belong to stream.pmu.
type keyring struct {
	issuer keys.Issuer
	code   string
	known  map[uint32]chunk.StreamKey // those in use, for plain players and for proofs
	looked time.Time                  // when the service was asked last for those of others
}

// beginKeys sees to the keys of a stream that is sealed here.
func (s *stream) beginKeys(ctx context.Context) error {
	switch {
	case s.keys.issuer == nil || s.mirror != nil && s.group == nil:
		s.keys.code = ""
		return nil
	case s.group != nil:
		return s.lookKeys(ctx)
	}
	return s.obtainKey(ctx)
}

// obtainKey gets the first key of this run: of a code that exists already, a new one,
// since sequences are a nonce under a key and must not come twice.
func (s *stream) obtainKey(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	var rec keys.Record
	var err error
	if s.keys.code == "" {
		rec, err = s.keys.issuer.Create(ctx)
	} else {
		rec, err = s.keys.issuer.Rotate(ctx, s.keys.code)
	}
	if err != nil {
		return fmt.Errorf("key of the stream %s: %w", s.name, err)
	}
	return s.useKey(rec)
}

func (s *stream) useKey(rec keys.Record) error {
	s.pmu.Lock()
	defer s.pmu.Unlock()
	k := rec.Newest()
	s.keys.code = rec.Code
	s.forgetKeys(k)
	s.keys.known[k.ID] = k
	return s.p.SetKey(k)
}

// turnKeys gives the stream a new key every so often, and uses it when viewers have had
// the time to fetch it.
func (s *stream) turnKeys(ctx context.Context, every, lead time.Duration) {
	for {
		if !sleep(ctx, every) {
			return
		}
		if !s.group.leads() {
			continue // the one who does turns them
		}
		for wait := time.Second; ; wait = min(2*wait, time.Minute) {
			c, cancel := context.WithTimeout(ctx, keyTimeout)
			rec, err := s.keys.issuer.Rotate(c, s.code())
			cancel()
			if err == nil {
				if !sleep(ctx, lead) {
					return
				}
				if err = s.useKey(rec); err == nil {
					s.log.Info("another key is in use", "key", rec.Newest())
					break
				}
			}
			s.log.Warn("key service; the stream keeps its key for now", "err", err, "again", wait)
			if !sleep(ctx, wait) {
				return
			}
		}
	}
}

func (s *stream) code() string {
	s.pmu.Lock()
	defer s.pmu.Unlock()
	return s.keys.code
}

func (s *stream) key(id uint32) (chunk.StreamKey, bool) {
	s.pmu.Lock()
	defer s.pmu.Unlock()
	k, ok := s.keys.known[id]
	return k, ok
}

// lookEvery is how often the key service is asked at most for keys that others use.
const lookEvery = time.Second

// lookKeys gets the keys of a stream that other sources seal, too. It begins nothing: who
// leads makes a key.
func (s *stream) lookKeys(ctx context.Context) error {
	s.pmu.Lock()
	code := s.keys.code
	s.keys.looked = time.Now()
	s.pmu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	rec, err := s.keys.issuer.Lookup(ctx, code)
	if err != nil {
		return fmt.Errorf("keys of the stream %s: %w", s.name, err)
	}
	s.pmu.Lock()
	defer s.pmu.Unlock()
	for _, k := range rec.Keys {
		s.keys.known[k.ID] = k
	}
	s.forgetKeys(rec.Newest())
	return nil
}

// learnKey has a key looked up that another source has sealed with, unless it is known.
func (s *stream) learnKey(ctx context.Context, id uint32) {
	s.pmu.Lock()
	_, known := s.keys.known[id]
	skip := known || id == 0 || s.keys.issuer == nil || s.keys.code == "" || time.Since(s.keys.looked) < lookEvery
	s.pmu.Unlock()
	if skip {
		return
	}
	if err := s.lookKeys(ctx); err != nil {
		s.log.Warn("key service; players that are no viewers of the swarm see nothing", "err", err)
	}
}

// forgetKeys lets go of keys that are older than those of chunks in the window. Called with
// pmu held.
func (s *stream) forgetKeys(newest chunk.StreamKey) {
	for id := range s.keys.known {
		if id+2 < newest.ID {
			delete(s.keys.known, id)
		}
	}
}

// proved says whether a viewer that wants to be a member has a key of the stream, if that
// is sealed. The error says that it cannot be known now.
func (s *stream) proved(ctx context.Context, j wire.Join) (bool, error) {
	if s.mirror != nil && s.group == nil {
		if !s.identity().sealed {
			return true, nil
		}
		return s.mirror.proved(ctx, j)
	}
	s.pmu.Lock()
	defer s.pmu.Unlock()
	if s.keys.code == "" {
		return true, nil
	}
	proofs := j.Proofs[:min(len(j.Proofs), keys.MaxProofs)]
	for _, k := range s.keys.known {
		if keys.Proves(proofs, k, s.p.Swarm(), j.Pin) {
			return true, nil
		}
	}
	return false, nil
}
