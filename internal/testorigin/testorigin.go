// SPDX-License-Identifier: LGPL-2.1-or-later

// Package testorigin is an http-flv origin for tests: a file that begins again when it
// ends, its times going on, at the pace of its times or faster.
package testorigin

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// tag is one of the file's.
type tag struct {
	typ     flv.TagType
	ms      uint32
	payload []byte
	header  bool // metadata or a configuration: once at the start
}

// Origin serves until the test ends.
type Origin struct {
	Pulls  atomic.Int32 // requests so far
	Active atomic.Int32 // requests under way
	Silent atomic.Bool  // it holds its connections and sends nothing

	srv   *httptest.Server
	speed float64

	mu   sync.Mutex
	tags []tag
	span uint32 // ms from the start of the file to its next one
	base uint32 // ms, at which the next connection's clock begins
	cut  context.CancelFunc
	life context.Context
}

// New serves a file at speed times its pace.
func New(t testing.TB, file string, speed float64) *Origin {
	t.Helper()
	o := &Origin{speed: speed}
	o.life, o.cut = context.WithCancel(context.Background())
	o.Play(t, file)
	o.srv = httptest.NewServer(o)
	t.Cleanup(func() { o.Cut(); o.srv.Close() })
	return o
}

// Play has connections from now on get another file.
func (o *Origin) Play(t testing.TB, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := flv.NewReader(bytes.NewReader(b), flv.Options{Strict: true})
	var tags []tag
	var last uint32
	for {
		var x flv.Tag
		var u demux.Unit
		err := r.Next(&x, &u)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		tags = append(tags, tag{x.Type, x.Timestamp, bytes.Clone(x.Payload), u.Config || u.Kind == demux.Data})
		last = max(last, x.Timestamp)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tags, o.span = tags, last+40
}

// URL of the stream.
func (o *Origin) URL() string { return o.srv.URL + "/live/a.flv" }

// Cut ends the connections that there are; the next begin at time base.
func (o *Origin) Cut() { o.CutTo(0) }

// CutTo is Cut with a time for the next connections to begin at.
func (o *Origin) CutTo(base uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cut()
	o.life, o.cut = context.WithCancel(context.Background())
	o.base = base
}

// ServeHTTP is one connection.
func (o *Origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.Pulls.Add(1)
	o.Active.Add(1)
	defer o.Active.Add(-1)
	o.mu.Lock()
	tags, span, base, life := o.tags, o.span, o.base, o.life
	o.mu.Unlock()
	w.Header().Set("Content-Type", "video/x-flv")
	rc := http.NewResponseController(w)
	w.Write(flv.AppendHeader(nil, true, true))
	start := time.Now()
	for round := uint32(0); ; round++ {
		for _, x := range tags {
			if x.header && round > 0 {
				continue
			}
			ms := round*span + x.ms
			due := start.Add(time.Duration(float64(ms) / o.speed * float64(time.Millisecond)))
			if wait := time.Until(due); wait > 0 {
				rc.Flush()
				select {
				case <-time.After(wait):
				case <-life.Done():
					return
				case <-r.Context().Done():
					return
				}
			}
			for o.Silent.Load() {
				select {
				case <-time.After(10 * time.Millisecond):
				case <-life.Done():
					return
				case <-r.Context().Done():
					return
				}
			}
			if _, err := w.Write(flv.AppendTag(nil, x.typ, base+ms, x.payload)); err != nil {
				return
			}
		}
	}
}
