// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

// Thirty viewers, one of which pollutes and two of which only take, while others come
// and go: every tag that anybody sees is the source's, none is missing and none comes
// twice.
//
// Nothing runs beside it. Under the race detector there are twelve, and the run without
// it, which make test has too, is the one of thirty.
func TestThirtyViewers(t *testing.T) {
	stay, come := 22, 5
	if raced {
		stay, come = 7, 2
	}
	w := newWorld(t, nil)
	w.watchTruth("")
	polluter := w.view("polluter", nil)
	polluter.make(mischief{chunk: func(c *chunk.Chunk) []byte { return changed(c, len(c.Bytes())-1) }})
	w.view("rider 1", func(c *Config) { c.NoUpload = true })
	rider := w.view("rider 2", nil)
	rider.make(mischief{chunk: func(*chunk.Chunk) []byte { return nil }})
	var stays, all []*viewer
	for i := range stay {
		stays = append(stays, w.view(fmt.Sprint(i), nil))
	}
	all = append(all, stays...)
	rng := rand.New(rand.NewPCG(1, 2))
	var guests []*viewer
	for i := range 3 * come {
		if len(guests) == come {
			k := rng.IntN(come)
			guests[k].leave()
			guests = append(guests[:k], guests[k+1:]...)
		}
		v := w.view(fmt.Sprint("guest ", i), nil)
		guests, all = append(guests, v), append(all, v)
		time.Sleep(300 * time.Millisecond)
	}
	goOn(t, append(guests, stays...), 100)
	eventually(t, "most of the stripes come from viewers", func() bool {
		peers := 0
		for _, v := range stays {
			for _, p := range v.Stats().Parents {
				if p != wire.Source {
					peers++
				}
			}
		}
		return peers > stay*4*3/4
	})
	var peers, source, dup, forged, lost uint64
	for _, v := range all {
		if v.seen() == 0 {
			continue // it left before its first key frame
		}
		if err := v.check(); err != nil {
			t.Error(err)
		}
		s := v.Stats()
		peers, source, dup, forged, lost = peers+s.PeerBytes, source+s.SourceBytes, dup+s.Duplicates, forged+s.Forged, lost+s.Lost
		if s.Forged > 3 {
			t.Errorf("viewer %s took %d bad chunks from one polluter", v.name, s.Forged)
		}
	}
	if forged == 0 {
		t.Error("nobody met the polluter: the test shows nothing")
	}
	if lost != 0 {
		t.Errorf("%d chunks were given up", lost)
	}
	t.Logf("%d MB from viewers, %d MB from the source, %d duplicates, %d forged", peers>>20, source>>20, dup, forged)
}
