// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/plan"
	"github.com/xp2p/xp2p/swarm/wire"
)

// make has a peer do mischief from now on.
func (v *viewer) make(m mischief) {
	v.post(v.life, func() { v.Peer.mischief = m })
}

// changed is a chunk with one byte changed.
func changed(c *chunk.Chunk, at int) []byte {
	b := bytes.Clone(c.Bytes())
	b[at] ^= 1
	return b
}

// foreign is a chunk of another stream of the same source.
func foreign() []byte {
	var out []byte
	p := chunk.NewPackager(chunk.PackagerConfig{Key: testKey, Stream: "/live/other.flv", First: 1, Number: 1,
		Begin: func(*chunk.Epoch) {}, Emit: func(c *chunk.Chunk) { out = c.Bytes() }})
	raw := flv.AppendTag(nil, flv.TagVideo, 0, []byte{0x17, 1, 0, 0, 0})
	p.Put(&flv.Tag{Type: flv.TagVideo, Payload: raw[11 : len(raw)-4], Raw: raw}, &demux.Unit{Kind: demux.Video, Key: true}, time.Now())
	p.Flush()
	return out
}

// resigned is a chunk with a signature of somebody else.
func resigned(c *chunk.Chunk) []byte {
	b := bytes.Clone(c.Bytes())
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	copy(b[76:], ed25519.Sign(key, append([]byte("xp2p chunk 1\x00"), b[:76]...)))
	return b
}

// Whoever sends something that the source has not signed is dropped at once, and told of;
// nobody sees or passes on a byte of it.
func TestPolluters(t *testing.T) {
	t.Parallel()
	other := foreign()
	for _, tt := range []struct {
		name  string
		chunk func(*chunk.Chunk) []byte
	}{
		{"forges the payload", func(c *chunk.Chunk) []byte { return changed(c, len(c.Bytes())-1) }},
		{"forges the signature", func(c *chunk.Chunk) []byte { return changed(c, 80) }},
		{"signs itself", resigned},
		{"names another epoch", func(c *chunk.Chunk) []byte { return changed(c, 23) }},
		{"names another sequence", func(c *chunk.Chunk) []byte { return changed(c, 31-1) }},
		{"truncates", func(c *chunk.Chunk) []byte { return c.Bytes()[:len(c.Bytes())-1] }},
		{"sends another stream", func(*chunk.Chunk) []byte { return other }},
		{"sends nonsense", func(*chunk.Chunk) []byte { return []byte("nonsense") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.watchTruth("")
			bad := w.view("polluter", func(c *Config) { c.MaxUpload = 1_500_000 })
			bad.make(mischief{chunk: tt.chunk})
			var mu sync.Mutex
			var events []Event
			var good []*viewer
			for i := range 2 {
				good = append(good, w.view(fmt.Sprint(i), func(c *Config) {
					c.NoUpload = true // so that they have nobody but the polluter to take from
					c.OnEvent = func(e Event) {
						mu.Lock()
						defer mu.Unlock()
						if e.Kind == Polluter {
							events = append(events, e)
						}
					}
				}))
			}
			for _, v := range good {
				eventually(t, "the polluter is found out by "+v.name, func() bool { return v.Stats().Forged > 0 })
			}
			goOn(t, good, 100)
			for _, v := range good {
				if err := v.check(); err != nil {
					t.Error(err)
				}
				if s := v.Stats(); s.Forged != 1 {
					t.Errorf("viewer %s took %d bad chunks before it dropped who sent them", v.name, s.Forged)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if len(events) != 2 || events[0].Peer != bad.ID().String() || events[0].Reason == "" {
				t.Errorf("events %+v", events)
			}
			w.view("witness", func(*Config) {}) // there is somebody of whom a newcomer is told
			eventually(t, "nobody is told of the polluter", func() bool { return !hasMember(w, bad) })
		})
	}
}

// hasMember says whether a newcomer is told of a member.
func hasMember(w *world, m *viewer) bool {
	sock, id := loopback(w.t)
	defer sock.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	p, err := Start(ctx, Config{URL: w.url(), Socket: sock, Identity: id, NoUpload: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer p.Close()
	var told, has bool
	eventually(w.t, "the newcomer is told of members", func() bool {
		done := make(chan struct{})
		p.post(p.life, func() {
			told = len(p.pins) > 0
			_, has = p.pins[m.ID()]
			close(done)
		})
		<-done
		return told
	})
	return has
}

// A free rider that takes children and sends nothing, with the finest map, costs nobody a
// tag.
func TestFreeRider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.watchTruth("")
	rider := w.view("rider", func(c *Config) { c.MaxUpload = 1_500_000 })
	rider.make(mischief{
		chunk: func(*chunk.Chunk) []byte { return nil },
		tell: func(m *wire.Map) {
			m.Slots, m.Free, m.Have = 255, 255, ^uint64(0)
			for s := range m.Stripes {
				m.Stripes[s] = wire.StripeMap{}
			}
		},
	})
	var vs []*viewer
	for i := range 3 {
		vs = append(vs, w.view(fmt.Sprint(i), nil))
	}
	goOn(t, vs, 400)
	for _, v := range vs {
		if err := v.check(); err != nil {
			t.Error(err)
		}
		for s, p := range v.Stats().Parents {
			if p == rider.ID() {
				t.Logf("viewer %s still tries the rider for stripe %d", v.name, s)
			}
		}
	}
	fed := 0
	eventually(t, "viewers feed each other, not the rider", func() bool {
		fed = 0
		for _, v := range vs {
			for _, p := range v.Stats().Parents {
				if p != wire.Source && p != rider.ID() && p != plan.Nobody {
					fed++
				}
			}
		}
		return fed > 0
	})
}
