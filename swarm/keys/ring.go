// SPDX-License-Identifier: LGPL-2.1-or-later

package keys

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
)

const (
	ringTimeout  = 5 * time.Second
	ringRetryMin = time.Second
	ringRetryMax = 30 * time.Second
	// maxOld is how many keys older than the newest a viewer keeps.
	maxOld = 8
)

// Ring is a viewer's keys of one stream, kept up to date.
type Ring struct {
	url    string
	client *http.Client
	log    *slog.Logger
	wanted chan struct{} // one token: a key is missing

	mu      sync.Mutex
	keys    map[uint32]chunk.StreamKey
	newest  uint32
	err     error         // of the last attempt
	changed chan struct{} // closed at the next change
}

// NewRing makes a ring for a codeUrl; Run fills it. client nil: http.DefaultClient;
// log nil: discarded.
func NewRing(codeURL string, client *http.Client, log *slog.Logger) *Ring {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Ring{url: codeURL, client: client, log: log, wanted: make(chan struct{}, 1), changed: make(chan struct{})}
}

// Key finds a key and has it looked up where it is missing. It does not block.
func (r *Ring) Key(id uint32) (chunk.StreamKey, bool) {
	r.mu.Lock()
	k, ok := r.keys[id]
	if !ok {
		if k, ok = r.keys[0]; ok {
			k.ID = id
		}
	}
	r.mu.Unlock()
	if !ok {
		select {
		case r.wanted <- struct{}{}:
		default:
		}
	}
	return k, ok
}

// Changed gives a channel that is closed when the ring changes next, and what went
// wrong last: ErrNoCode is final.
func (r *Ring) Changed() (<-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed, r.err
}

// Passed says that a key is not here and will not come: the service has given newer ones
// without it.
func (r *Ring) Passed(id uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.keys[id]
	return !ok && id < r.newest
}

// Filled says whether the service has answered with keys.
func (r *Ring) Filled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.keys) > 0
}

// Run looks keys up until ctx ends or the code holds no longer, whose keys remain.
func (r *Ring) Run(ctx context.Context) {
	wait := ringRetryMin
	for {
		c, cancel := context.WithTimeout(ctx, ringTimeout)
		a, err := Fetch(c, r.client, r.url)
		cancel()
		if ctx.Err() != nil {
			return
		}
		r.set(a, err)
		if errors.Is(err, ErrNoCode) {
			r.log.Warn("the stream's code", "err", err)
			return
		}
		var refresh <-chan time.Time
		least := ringRetryMin // a key that the service does not have either is not asked for all the time
		if err != nil {
			r.log.Warn("key service; trying again", "err", err, "in", wait)
			least, wait = wait, min(2*wait, ringRetryMax)
		} else {
			wait = ringRetryMin
			if a.Refresh > 0 { // viewers shall not come all at once
				refresh = time.After(a.Refresh/2 + rand.N(a.Refresh/2))
			}
		}
		select {
		case <-time.After(least):
		case <-ctx.Done():
			return
		}
		if err != nil {
			continue
		}
		select {
		case <-refresh:
		case <-r.wanted:
		case <-ctx.Done():
			return
		}
	}
}

func (r *Ring) set(a Answer, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	if err == nil {
		if r.keys == nil {
			r.keys = map[uint32]chunk.StreamKey{}
		}
		for _, k := range a.Keys {
			r.keys[k.ID] = k
			r.newest = max(r.newest, k.ID)
		}
		for id := range r.keys {
			if id != 0 && id+maxOld < r.newest {
				delete(r.keys, id)
			}
		}
	}
	close(r.changed)
	r.changed = make(chan struct{})
}
