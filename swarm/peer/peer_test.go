// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"fmt"
	"testing"

	"github.com/xp2p/xp2p/swarm/wire"
)

// Viewers begin with the source and end up with each other, and see what the source
// sends, tag by tag.
func TestHandOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.watchTruth("")
	var vs []*viewer
	for i := range 6 {
		vs = append(vs, w.view(fmt.Sprint(i), nil))
	}
	eventually(t, "some stripes come from viewers", func() bool {
		fed := 0
		for _, v := range vs {
			for _, p := range v.Stats().Parents {
				if p != wire.Source && v.Stats().Links > 0 {
					fed++
				}
			}
		}
		return fed >= 16
	})
	goOn(t, vs, 150)
	for _, v := range vs {
		if err := v.check(); err != nil {
			t.Error(err)
		}
		t.Logf("%s: %+v", v.name, v.Stats())
	}
}
