// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/xp2p/xp2p/demux"
)

const (
	// leastPlayback is the shortest interval that can be asked for (reference/xp2p.md §3).
	leastPlayback = 5 * time.Second
	// maxPlaybacks of one viewer on one channel at once; commands act on the newest.
	maxPlaybacks = 4
)

// servePlayback is action=playback, whose stream docs/design/0005 describes.
func (d *Device) servePlayback(w http.ResponseWriter, r *streamRequest) { d.play(w, r, everything) }

// servePlaybackAudio is action=playback-audio.
func (d *Device) servePlaybackAudio(w http.ResponseWriter, r *streamRequest) {
	d.play(w, r, soundAlone)
}

const noArchive = "this channel has no recordings"

func (d *Device) play(w http.ResponseWriter, r *streamRequest, what selection) {
	from, to, err := intervalParams(r.query.Get, leastPlayback)
	if err != nil {
		refuse(w, statusNotFound, err.Error())
		return
	}
	if r.archive == nil {
		refuse(w, statusUnsupported, noArchive)
		return
	}
	exit, ok := d.enterOrRefuse(w, r.peer)
	if !ok {
		return
	}
	defer exit()
	ctx, cancel := d.until(w, r.Request)
	defer cancel()
	p := newPlayback(r.archive, from, to)
	leave, ok := d.playing.enter(playKey{r.peer.ID, r.channel}, p)
	if !ok {
		refuse(w, statusGoingOn, fmt.Sprintf("%d playbacks of this channel are going on: end one of them", maxPlaybacks))
		return
	}
	defer leave()
	cursor, err := r.archive.Play(ctx, from)
	if err != nil {
		refuseArchive(w, err)
		return
	}
	pl := &player{playback: p, what: what, cursor: cursor, w: w, flush: http.NewResponseController(w).Flush}
	defer pl.close()
	begin, err := pl.first(ctx)
	switch {
	case errors.Is(err, errNoSound):
		refuse(w, statusUnsupported, err.Error())
		return
	case err == io.EOF:
		refuseArchive(w, fmt.Errorf("%w: nothing was recorded between start_time and end_time", ErrNoRecording))
		return
	case err != nil:
		refuseArchive(w, err)
		return
	}
	w.Header().Set("Content-Type", "video/x-flv")
	w.Header().Set("X-Xp2p-Start", strconv.FormatFloat(float64(begin.UnixMilli())/1000, 'f', 3, 64))
	w.WriteHeader(http.StatusOK)
	r.log.Info("playback begins", "query", r.URL.RawQuery, "at", begin)
	err = pl.run(ctx)
	r.log.Info("playback ends", "err", err)
}

// refuseArchive refuses what an archive could not give.
func refuseArchive(w http.ResponseWriter, err error) {
	if errors.Is(err, ErrNoRecording) || errors.Is(err, errOutside) {
		refuse(w, statusNotFound, err.Error())
		return
	}
	refuse(w, statusDown, "the recordings cannot be read: "+err.Error())
}

// servePlaybackMJPEG is action=playback-mjpg, which only archives of JPEG devices have.
func (d *Device) servePlaybackMJPEG(w http.ResponseWriter, r *streamRequest) {
	from, to, err := intervalParams(r.query.Get, leastPlayback)
	if err != nil {
		refuse(w, statusNotFound, err.Error())
		return
	}
	a, ok := r.archive.(MJPEGArchive)
	if !ok {
		refuse(w, statusUnsupported, "this camera has no recorded JPEG pictures: ask for action=playback")
		return
	}
	exit, ok := d.enterOrRefuse(w, r.peer)
	if !ok {
		return
	}
	defer exit()
	stream, contentType, err := a.PlayMJPEG(r.Context(), from, to)
	if err != nil {
		refuseArchive(w, err)
		return
	}
	d.pass(w, r, stream, contentType)
}

// playback is what commands may change of a stream that is being played.
type playback struct {
	archive  Archive
	from, to time.Time
	wake     chan struct{} // has one token when something of what follows changed

	mu     sync.Mutex
	paused bool
	speed  float64
	jump   Cursor // from where to go on instead; nil: nowhere
	over   bool
}

func newPlayback(a Archive, from, to time.Time) *playback {
	return &playback{archive: a, from: from, to: to, speed: 1, wake: make(chan struct{}, 1)}
}

func (p *playback) change(f func()) {
	p.mu.Lock()
	f()
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *playback) pause(on bool)      { p.change(func() { p.paused = on }) }
func (p *playback) setSpeed(s float64) { p.change(func() { p.speed = s }) }

var errOutside = errors.New("the time is outside of this playback")

// seek goes on at wall-clock time at. What is wrong with that time is said here, and
// the stream is left as it is.
func (p *playback) seek(ctx context.Context, at time.Time) error {
	if at.Before(p.from) || !at.Before(p.to) {
		return fmt.Errorf("%w: it goes from %d to %d", errOutside, p.from.Unix(), p.to.Unix())
	}
	c, err := p.archive.Play(ctx, at)
	if err != nil {
		return err
	}
	p.change(func() {
		if p.over {
			err = ErrNoRecording
			return
		}
		p.jump, c = c, p.jump
	})
	if c != nil {
		c.Close() // one that another seek overtook, or ours when the stream is over
	}
	return err
}

// playKey is how a playback is found: by its link and channel.
type playKey struct {
	peer    string
	channel int
}

// playbacks are those that are going on, the newest of a key last.
type playbacks struct {
	mu sync.Mutex
	m  map[playKey][]*playback
}

func (l *playbacks) enter(k playKey, p *playback) (leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.m[k]) >= maxPlaybacks {
		return nil, false
	}
	if l.m == nil {
		l.m = map[playKey][]*playback{}
	}
	l.m[k] = append(l.m[k], p)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		rest := l.m[k][:0:0]
		for _, x := range l.m[k] {
			if x != p {
				rest = append(rest, x)
			}
		}
		if l.m[k] = rest; len(rest) == 0 {
			delete(l.m, k)
		}
	}, true
}

func (l *playbacks) newest(k playKey) *playback {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.m[k]); n > 0 {
		return l.m[k][n-1]
	}
	return nil
}

// wants says whether a selection has a place for a unit.
func (s selection) wants(u *demux.Unit) bool { return s == everything || u.Kind == demux.Audio }
