// SPDX-License-Identifier: LGPL-2.1-or-later

package plan

import (
	"testing"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

// What a neighbour can have besides the stripes that it was given is little, however it asks:
// the upload is for those who feed others, and has a limit.
func TestGreedyNeighbours(t *testing.T) {
	const stream = 5000 * 20 // bytes/s of a bench
	for _, tt := range []struct {
		name string
		ask  func(b *bench, id wire.PeerID)
	}{
		{"asks for every chunk", func(b *bench, id wire.PeerID) {
			b.Requested(b.at, id, []uint64{b.seq - 4, b.seq - 3, b.seq - 2, b.seq - 1})
		}},
		{"asks for all again and again", func(b *bench, id wire.PeerID) {
			var l []uint64
			for i := range uint64(wire.MaxList) {
				l = append(l, b.seq-1-i)
			}
			b.Requested(b.at, id, l)
		}},
		{"subscribes to the past again and again", func(b *bench, id wire.PeerID) { b.Subscribed(b.at, id, 1, 1000) }},
		{"leaves and subscribes to the past", func(b *bench, id wire.PeerID) {
			b.Unsubscribed(b.at, id, 1, 0)
			b.Subscribed(b.at, id, 1, 1000)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, func(c *Config) { c.MaxUpload = 10 * stream })
			b.run(400, source)
			id := b.link(1, 2, nil)
			b.forget()
			const seconds = 20
			for range seconds * 20 {
				b.run(1, source)
				tt.ask(b, id)
				for _, a := range b.take() {
					if a.Kind == Send {
						b.Sent(b.at, a.Size)
					}
				}
			}
			sent := 0
			for _, a := range b.acts {
				if a.Kind == Send && a.Peer == id {
					sent += a.Size
				}
			}
			// A stripe that it was given, 2 s of the stream at once, and a quarter of it on end.
			if most := stream * (2 + seconds/4 + seconds/4 + 1); sent > most {
				t.Errorf("it gets %d bytes in %d s of a stream of %d bytes/s, want at most %d", sent, seconds, stream, most)
			}
			if sent == 0 {
				t.Error("it gets nothing")
			}
		})
	}
}

// The limit of the upload holds for what is asked for, too.
func TestUploadLimitHolds(t *testing.T) {
	const limit = 30_000
	b := newBench(t, func(c *Config) { c.MaxUpload = limit })
	b.run(400, source)
	var ids []wire.PeerID
	for i := range 10 {
		ids = append(ids, b.link(i+1, i%chunk.Stripes, nil))
	}
	b.forget()
	const seconds = 10
	for range seconds * 20 {
		b.run(1, source)
		for _, id := range ids {
			b.Requested(b.at, id, []uint64{b.seq - 1, b.seq - 2})
		}
		for _, a := range b.take() {
			if a.Kind == Send {
				b.Sent(b.at, a.Size)
			}
		}
	}
	sent := 0
	for _, a := range b.acts {
		if a.Kind == Send {
			sent += a.Size
		}
	}
	if sent > limit*(seconds+2) {
		t.Errorf("%d bytes are sent in %v, with a limit of %d bytes/s", sent, seconds*time.Second, limit)
	}
}
