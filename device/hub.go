// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// Source gives a channel's stream: FLV bytes as they come into being. It is
// opened again when a stream ended.
type Source interface {
	Open(ctx context.Context) (io.ReadCloser, error)
}

// KeyFramer is a Source whose encoder can be asked for a key frame at once. It must
// not block; what it cannot do it leaves.
type KeyFramer interface {
	RequestKeyFrame()
}

// hub reads one source and fans it out. It lives as long as the device; what
// comes from one opening of the source is one stretch, at whose end the viewers'
// streams end too, since the next may start with other parameters and times.
type hub struct {
	src      Source
	onDemand bool          // set before run, as is
	linger   time.Duration // how long an on-demand source outlives its last viewer
	marks    Watermarks
	log      *slog.Logger
	wanted   chan struct{} // has one token when somebody waits for an on-demand source

	mu      sync.Mutex // guards all below; nothing blocks under it
	gop     gop
	viewers map[*viewer]struct{}
	live    bool          // the source delivers
	begins  chan struct{} // closed when it does
	err     error         // why it does not
	stats   Stats
	keyAt   time.Time // when the last key frame came
	askedAt time.Time // when one was asked for last
	waiting int       // joins that wait for the source
	leftAt  time.Time // when the last viewer left
}

// Stats counts what a channel's source has delivered.
type Stats struct {
	Bytes, Frames, Resyncs, Restarts uint64
}

const (
	sourceRetryMin = 500 * time.Millisecond
	sourceRetryMax = 15 * time.Second
	// A stretch this long makes the next retry quick again.
	sourceSettled = 30 * time.Second
	// demandLinger is how long an on-demand source outlives its last viewer: one that
	// comes back, or changes the quality, does not wait for it again.
	demandLinger = 5 * time.Second
)

var (
	errSourceDown = errors.New("the camera's picture source delivers nothing now")
	errUnwatched  = errors.New("nobody watches")
)

func newHub(src Source, marks Watermarks, log *slog.Logger) *hub {
	return &hub{src: src, marks: marks, log: log, viewers: map[*viewer]struct{}{}, begins: make(chan struct{}), wanted: make(chan struct{}, 1)}
}

// run reads the source until ctx ends, and opens it again whenever it breaks.
func (h *hub) run(ctx context.Context) {
	wait := sourceRetryMin
	for h.awaitDemand(ctx) {
		began := time.Now()
		err := h.stretch(ctx)
		if ctx.Err() != nil {
			err = io.EOF
		}
		h.endStretch(err)
		if ctx.Err() != nil {
			return
		}
		if err == errUnwatched {
			wait = sourceRetryMin
			continue
		}
		if time.Since(began) > sourceSettled {
			wait = sourceRetryMin
		}
		h.log.Warn("source ended; opening it again", "err", err, "in", wait)
		select {
		case <-time.After(wait + rand.N(wait/4)):
		case <-ctx.Done():
		}
		wait = min(2*wait, sourceRetryMax)
	}
}

// awaitDemand waits until an on-demand source is wanted; false: ctx has ended.
func (h *hub) awaitDemand(ctx context.Context) bool {
	for h.onDemand {
		h.mu.Lock()
		wanted := h.waiting > 0
		h.mu.Unlock()
		if wanted {
			break
		}
		select {
		case <-h.wanted:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// unwatched says whether an on-demand source may be closed.
func (h *hub) unwatched() bool {
	if !h.onDemand {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.viewers)+h.waiting == 0 && time.Since(h.leftAt) > h.linger
}

// stretch is one opening of the source.
func (h *hub) stretch(ctx context.Context) error {
	rc, err := h.src.Open(ctx)
	if err != nil {
		return err
	}
	defer rc.Close()
	stop := context.AfterFunc(ctx, func() { rc.Close() })
	defer stop()
	r := flv.NewReader(rc, flv.Options{})
	var (
		t flv.Tag
		u demux.Unit
		a arena
	)
	for {
		if err := r.Next(&t, &u); err != nil {
			return err
		}
		h.put(a.tag(&t, &u), &u, r.Stats())
		if h.unwatched() {
			return errUnwatched
		}
	}
}

func (h *hub) put(t *tag, u *demux.Unit, s flv.Stats) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.live {
		h.live, h.err = true, nil
		close(h.begins)
	}
	h.gop.add(t, u)
	h.stats.Bytes += uint64(len(t.raw))
	h.stats.Resyncs = s.Resyncs
	if t.video && !t.config {
		h.stats.Frames++
		if t.key {
			h.keyAt = time.Now()
		}
	}
	for v := range h.viewers {
		v.put(t, &h.gop)
	}
}

func (h *hub) endStretch(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.live {
		h.begins = make(chan struct{})
	}
	h.live, h.err, h.gop = false, err, gop{}
	h.stats.Restarts++
	for v := range h.viewers {
		v.finish(io.EOF)
		delete(h.viewers, v)
	}
}

// sourcePatience is how long a viewer waits for a source that is just being opened.
const sourcePatience = 5 * time.Second

// join adds a viewer; it must leave.
func (h *hub) join(ctx context.Context, what selection, marks Watermarks, onLevel func(Level)) (*viewer, error) {
	ctx, cancel := context.WithTimeout(ctx, sourcePatience)
	defer cancel()
	h.want(1)
	defer h.want(-1)
	for {
		h.mu.Lock()
		if h.live {
			v := newViewer(what, marks, onLevel)
			v.start(&h.gop)
			h.viewers[v] = struct{}{}
			stale := what == everything && (len(h.gop.tags) == 0 || time.Since(h.keyAt) > keyFresh)
			h.mu.Unlock()
			if stale {
				h.requestKeyFrame()
			}
			return v, nil
		}
		begins := h.begins
		h.mu.Unlock()
		select {
		case <-begins:
		case <-ctx.Done():
			return nil, h.down()
		}
	}
}

// want counts those that wait for the source.
func (h *hub) want(n int) {
	h.mu.Lock()
	h.waiting += n
	h.mu.Unlock()
	select {
	case h.wanted <- struct{}{}:
	default:
	}
}

const (
	// keyFresh is how old the kept key frame may be for a new viewer to begin with it
	// and no other: what is behind it is sent at once, and shown late or in haste.
	keyFresh = time.Second
	// keyApart is the least time between two requests for a key frame, each of which
	// costs the stream's bit rate.
	keyApart = 500 * time.Millisecond
)

// requestKeyFrame asks the source for a key frame, unless that was done just now.
// It reports whether the source can be asked.
func (h *hub) requestKeyFrame() bool {
	k, ok := h.src.(KeyFramer)
	if !ok {
		return false
	}
	h.mu.Lock()
	now := time.Now()
	ask := now.Sub(h.askedAt) >= keyApart
	if ask {
		h.askedAt = now
	}
	h.mu.Unlock()
	if ask {
		k.RequestKeyFrame()
	}
	return true
}

// down says why there is no picture.
func (h *hub) down() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return fmt.Errorf("%w: %w", errSourceDown, h.err)
	}
	return errSourceDown
}

func (h *hub) leave(v *viewer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.viewers, v)
	h.leftAt = time.Now()
}

func (h *hub) snapshot() (Stats, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stats, h.live
}
