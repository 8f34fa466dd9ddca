// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"fmt"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

// Whoever sends what the source has signed, but late, again, or with holes, costs nobody a tag:
// he is left, if he does not mend his ways, and what is missing is fetched elsewhere.
func TestBadParents(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		chunk func() func(*chunk.Chunk) []byte
		tell  func(*wire.Map)
	}{
		{"delays by seconds", func() func(*chunk.Chunk) []byte {
			var held []*chunk.Chunk
			return func(c *chunk.Chunk) []byte {
				held = append(held, c)
				if len(held) <= 60 {
					return nil
				}
				c, held = held[0], held[1:]
				return c.Bytes()
			}
		}, nil},
		{"replays one chunk for ever", func() func(*chunk.Chunk) []byte {
			var first *chunk.Chunk
			return func(c *chunk.Chunk) []byte {
				if first == nil {
					first = c
				}
				return first.Bytes()
			}
		}, nil},
		{"sends every second chunk", func() func(*chunk.Chunk) []byte {
			n := 0
			return func(c *chunk.Chunk) []byte {
				if n++; n%2 == 0 {
					return nil
				}
				return c.Bytes()
			}
		}, nil},
		{"claims to have everything, and what is not yet", func() func(*chunk.Chunk) []byte {
			return func(*chunk.Chunk) []byte { return nil }
		}, func(m *wire.Map) {
			m.Base, m.Have, m.Slots, m.Free = chunk.MaxSequence-64, ^uint64(0), 255, 255
			for s := range m.Stripes {
				m.Stripes[s] = wire.StripeMap{}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.watchTruth("")
			bad := w.view("bad", func(c *Config) { c.MaxUpload = 1_500_000 })
			bad.make(mischief{chunk: tt.chunk(), tell: tt.tell})
			var vs []*viewer
			for i := range 3 {
				vs = append(vs, w.view(fmt.Sprint(i), func(c *Config) { c.MaxUpload = 75_000 })) // too little for each other
			}
			eventually(t, "the bad one is taken for a parent", func() bool { return bad.Stats().SentChunks > 20 })
			goOn(t, vs, 500)
			for _, v := range vs {
				if err := v.check(); err != nil {
					t.Error(err)
				}
				if s := v.Stats(); s.Lost != 0 {
					t.Errorf("viewer %s lost %d chunks", v.name, s.Lost)
				}
			}
		})
	}
}

// An origin that breaks off and begins at another time, shows another size, or stands still,
// while viewers carry each other: they all go on, and see the very tags of a player.
func TestOriginFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.watchTruth("")
	var vs []*viewer
	for i := range 4 {
		vs = append(vs, w.view(fmt.Sprint(i), nil))
	}
	meshed(t, vs)
	for _, fault := range []struct {
		name string
		do   func()
	}{
		{"breaks off", w.origin.Cut},
		{"begins at another time", func() { w.origin.CutTo(1 << 31) }},
		{"begins at the end of its clock", func() { w.origin.CutTo(1<<32 - 1500) }},
		{"shows another size", func() {
			w.origin.Play(t, testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: 25, Width: 160, Height: 96}))
			w.origin.Cut()
		}},
		{"shows another codec", func() {
			w.origin.Play(t, testmedia.FLV(t, testmedia.H265Enhanced, 4, testmedia.Options{GOP: 25}))
			w.origin.Cut()
		}},
		{"stands still", func() {
			w.origin.Silent.Store(true)
			time.Sleep(4 * time.Second)
			w.origin.Silent.Store(false)
		}},
	} {
		fault.do()
		goOn(t, vs, 150)
		for _, v := range vs {
			if err := v.check(); err != nil {
				t.Fatalf("the origin %s: %v", fault.name, err)
			}
		}
	}
	meshed(t, vs)
	for _, v := range vs {
		if s := v.Stats(); s.Lost != 0 || s.Forged != 0 {
			t.Errorf("viewer %s: %+v", v.name, s)
		}
	}
}
