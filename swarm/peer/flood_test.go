// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

// epochsOf are n epochs of a stream, as its source has signed them.
func epochsOf(n int) (l [][]byte) {
	p := chunk.NewPackager(chunk.PackagerConfig{Key: testKey, Stream: path, First: 1, Number: 1,
		Begin: func(e *chunk.Epoch) { l = append(l, e.Bytes()) }, Emit: func(*chunk.Chunk) {}})
	raw := flv.AppendTag(nil, flv.TagVideo, 0, []byte{0x17, 1, 0, 0, 0})
	for range n {
		p.Restart()
		p.Put(&flv.Tag{Type: flv.TagVideo, Payload: raw[11 : len(raw)-4], Raw: raw}, &demux.Unit{Kind: demux.Video, Key: true}, time.Now())
	}
	return l
}

// do has the loop do something and waits for it.
func (v *viewer) do(f func()) {
	done := make(chan struct{})
	v.post(v.life, func() { f(); close(done) })
	<-done
}

// Epochs of long ago, replayed, are not kept, and do not take the place of new ones.
func TestOldEpochs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.watchTruth("")
	v := w.view("0", nil)
	goOn(t, []*viewer{v}, 20)
	old := epochsOf(3 * maxEpochs)
	v.do(func() {
		now := map[uint32]bool{}
		for n := range v.epochs {
			now[n] = true
		}
		for i := range old {
			if err := v.frame(1, wire.TypeEpoch, old[len(old)-1-i]); err != nil {
				t.Errorf("an epoch of long ago: %v", err)
			}
		}
		if len(v.epochs) > maxEpochs {
			t.Errorf("%d epochs are kept", len(v.epochs))
		}
		for n := range now {
			if v.epochs[n] == nil {
				t.Errorf("epoch %d of the stream as it is now is forgotten", n)
			}
		}
	})
	goOn(t, []*viewer{v}, 50)
	if err := v.check(); err != nil {
		t.Error(err)
	}
}

// Offers of very many at once, as when a crowd comes, make a few links at a time, and leave
// room for the viewer's own.
func TestOfferFlood(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.watchTruth("")
	v := w.view("0", nil)
	goOn(t, []*viewer{v}, 20)
	sock, _ := loopback(t)
	defer sock.Close()
	most := 0
	for range 2 * maxLinkings {
		_, id := identity(t)
		name := link.NewID()
		l, err := sock.NewLink(link.Config{ID: name, Controlling: true, Identity: id, Peer: v.cfg.Identity.Pin()})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		desc, err := l.LocalDescription() // and then it does nothing
		if err != nil {
			t.Fatal(err)
		}
		offer, err := json.Marshal(link.Offer{Pin: id.Pin(), Description: desc})
		if err != nil {
			t.Fatal(err)
		}
		v.do(func() {
			v.signal(wire.Signal{Peer: wire.IDOfPin(id.Pin()), Pin: id.Pin().String(), Link: name, Offer: offer})
			most = max(most, len(v.linkings))
		})
	}
	if most != maxLinkings {
		t.Errorf("%d links are being made at a time, want %d", most, maxLinkings)
	}
	parent := w.view("parent", func(c *Config) { c.MaxUpload = 1_500_000 })
	eventually(t, "it begins a link of its own", func() bool {
		ours := false
		v.do(func() {
			for _, k := range v.linkings {
				ours = ours || k.ours && k.peer == parent.ID()
			}
			if ours && v.guests() < maxLinkings {
				t.Error("the flood was over before")
			}
		})
		return ours
	})
	goOn(t, []*viewer{v}, 50)
	if err := v.check(); err != nil {
		t.Error(err)
	}
}
