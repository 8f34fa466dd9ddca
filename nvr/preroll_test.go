// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
)

// feedPreRoll gives a second of 10 pictures and 10 sounds each for every element, the
// first picture a key.
func feedPreRoll(p *preRoll, from, seconds int, pictures, sound bool) {
	base := time.Unix(1000, 0)
	for i := from * 10; i < (from+seconds)*10; i++ {
		at := base.Add(time.Duration(i) * 100 * time.Millisecond)
		if pictures {
			p.add(&demux.Unit{Kind: demux.Video, Codec: demux.H264, Key: i%10 == 0, Data: fmt.Appendf(nil, "v%d", i)}, at)
		}
		if sound {
			p.add(&demux.Unit{Kind: demux.Audio, Codec: demux.AAC, Key: true, Data: fmt.Appendf(nil, "a%d", i)}, at)
		}
	}
}

func flushed(t *testing.T, p *preRoll) string {
	t.Helper()
	var all []string
	last := time.Time{}
	if err := p.flush(func(u *demux.Unit, at time.Time) error {
		if at.Before(last) && !u.Config {
			t.Errorf("%s goes back in time", u.Data)
		}
		last = at
		all = append(all, string(u.Data))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func config(kind demux.Kind, text string) *demux.Unit {
	return &demux.Unit{Kind: kind, Config: true, Data: []byte(text)}
}

func TestPreRoll(t *testing.T) {
	p := &preRoll{keep: 2 * time.Second}
	p.add(config(demux.Video, "V"), time.Unix(1000, 0))
	p.add(config(demux.Audio, "A"), time.Unix(1000, 0))
	feedPreRoll(p, 0, 5, true, false)
	// At 4.9 s the pre-roll begins at 2.9 s, in the group of the third second.
	if got := flushed(t, p); !strings.HasPrefix(got, "V A v20 v21 ") || !strings.HasSuffix(got, " v49") || strings.Contains(got, "v19") {
		t.Errorf("got %s", got)
	}
	if got := flushed(t, p); got != "V A" {
		t.Errorf("after a flush: %s", got)
	}
	// A configuration that came in a group is kept when the group goes.
	feedPreRoll(p, 5, 1, true, true)
	p.add(config(demux.Video, "W"), time.Unix(1006, 0))
	if got := flushed(t, p); !strings.HasPrefix(got, "V A v50 a50 v51") || !strings.HasSuffix(got, "a59 W") {
		t.Errorf("got %s", got)
	}
	feedPreRoll(p, 6, 1, true, false)
	if got := flushed(t, p); !strings.HasPrefix(got, "W A v60 ") {
		t.Errorf("got %s", got)
	}
}

func TestPreRollOfSound(t *testing.T) {
	p := &preRoll{keep: 2 * time.Second}
	p.add(config(demux.Audio, "A"), time.Unix(1000, 0))
	feedPreRoll(p, 0, 60, false, true)
	got := flushed(t, p)
	if !strings.HasPrefix(got, "A a570 ") && !strings.HasPrefix(got, "A a580 ") || !strings.HasSuffix(got, " a599") {
		t.Errorf("got %s", got)
	}
}

func TestPreRollKeepsNothingUseless(t *testing.T) {
	p := &preRoll{}
	p.add(config(demux.Video, "V"), time.Unix(1000, 0))
	feedPreRoll(p, 0, 10, true, true)
	if p.bytes != 0 || flushed(t, p) != "V" {
		t.Errorf("%d bytes without a pre-roll", p.bytes)
	}
	p.keep = time.Hour
	u := demux.Unit{Kind: demux.Video, Key: true, Data: make([]byte, 1<<20)}
	for i := range 100 {
		p.add(&u, time.Unix(int64(2000+i), 0))
	}
	if p.bytes > maxPreRoll || len(p.groups) < 30 {
		t.Errorf("%d bytes in %d groups", p.bytes, len(p.groups))
	}
	// One endless group is not kept in part.
	u.Key = false
	for i := range 100 {
		p.add(&u, time.Unix(int64(2100+i), 0))
	}
	if p.bytes != 0 {
		t.Errorf("%d bytes of a group that is too long", p.bytes)
	}
}
