// SPDX-License-Identifier: LGPL-2.1-or-later

package server

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/rendezvous"
)

func news(id string, want rendezvous.Role) rendezvous.SourceNews {
	return rendezvous.SourceNews{Stream: "/live/a.flv", Want: want, Source: rendezvous.Source{ID: id, URL: "http://" + id + ".example/live/a.flv", Most: 10}}
}

// Who leads a stream follows from what its sources say, and when.
func TestWhoLeads(t *testing.T) {
	type said struct {
		after time.Duration
		id    string
		want  rendezvous.Role
		lead  string // who does then
	}
	for _, tt := range []struct {
		name  string
		quiet bool
		said  []said
	}{
		{"nobody would", false, []said{{0, "a", rendezvous.Follow, ""}, {0, "b", rendezvous.Follow, ""}}},
		{"the first who would", false, []said{{0, "a", rendezvous.Lead, "a"}, {0, "b", rendezvous.Lead, "a"}, {0, "b", rendezvous.Leading, "a"}}},
		{"it says so again", false, []said{{0, "a", rendezvous.Lead, "a"}, {2 * time.Second, "a", rendezvous.Leading, "a"}, {2 * time.Second, "b", rendezvous.Lead, "a"}}},
		{"it is silent", false, []said{{0, "a", rendezvous.Lead, "a"}, {rendezvous.LeaseHolds, "b", rendezvous.Lead, "b"}, {time.Second, "a", rendezvous.Leading, "b"}}},
		{"it ends", false, []said{{0, "a", rendezvous.Lead, "a"}, {0, "a", rendezvous.Gone, ""}, {0, "b", rendezvous.Lead, "b"}}},
		{"another ends", false, []said{{0, "a", rendezvous.Lead, "a"}, {0, "b", rendezvous.Follow, "a"}, {0, "b", rendezvous.Gone, "a"}}},
		{"it gives it up", false, []said{{0, "a", rendezvous.Lead, "a"}, {0, "a", rendezvous.Follow, ""}, {0, "b", rendezvous.Lead, "b"}}},
		{"a rendezvous that began anew", true, []said{{0, "b", rendezvous.Lead, ""}, {0, "a", rendezvous.Leading, "a"}, {0, "b", rendezvous.Lead, "a"}}},
	} {
		var g sourceGroup
		now := time.Unix(1_800_000_000, 0)
		for i, x := range tt.said {
			now = now.Add(x.after)
			n := news(x.id, x.want)
			n.At = now.UnixMilli()
			if err := g.take(n, now, tt.quiet); err != nil {
				t.Fatal(err)
			}
			if g.Leader != x.lead {
				t.Errorf("%s: after the news %d %q leads, want %q", tt.name, i, g.Leader, x.lead)
			}
		}
	}
}

func TestManySources(t *testing.T) {
	var g sourceGroup
	now := time.Unix(1_800_000_000, 0)
	for i := range rendezvous.MaxSources {
		if err := g.take(news(fmt.Sprint(i), rendezvous.Follow), now, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.take(news("more", rendezvous.Lead), now, false); !errors.Is(err, errManySources) || g.Leader != "" {
		t.Errorf("one more: error %v, leader %q", err, g.Leader)
	}
	now = now.Add(rendezvous.SourceHolds + time.Millisecond)
	if err := g.take(news("more", rendezvous.Lead), now, false); err != nil || len(g.List) != 1 || g.Leader != "more" {
		t.Errorf("when the others are gone: error %v, %+v", err, g)
	}
	old := news("more", rendezvous.Gone)
	old.At = -1
	if err := g.take(old, now, false); !errors.Is(err, errOldNews) || g.Leader != "more" {
		t.Errorf("old news: error %v, leader %q", err, g.Leader)
	}
}

// Sources find each other at a rendezvous, those of one stream and key alone, and no device
// speaks among them.
func TestSources(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	a, b := dial(t, s, nil), dial(t, s, nil)
	list := func(c *rendezvous.Client, key byte, n rendezvous.SourceNews) rendezvous.SourceList {
		t.Helper()
		l, err := c.AnnounceSource(t.Context(), edKey(key), n)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if l := list(a, 1, news("a", rendezvous.Leading)); l.Leader != "a" || len(l.Sources) != 1 {
		t.Errorf("the first: %+v", l)
	}
	if l := list(b, 1, news("b", rendezvous.Follow)); l.Leader != "a" || len(l.Sources) != 2 || l.Sources[0].URL != "http://a.example/live/a.flv" {
		t.Errorf("the second: %+v", l)
	}
	if l := list(b, 2, news("b", rendezvous.Leading)); l.Leader != "b" || len(l.Sources) != 1 {
		t.Errorf("of another key: %+v", l)
	}
	if l := list(a, 1, news("a", rendezvous.Gone)); l.Leader != "" || len(l.Sources) != 1 {
		t.Errorf("behind the end of the first: %+v", l)
	}
	bad := news("a", "emperor")
	if _, err := a.AnnounceSource(t.Context(), edKey(1), bad); err == nil || !strings.Contains(err.Error(), "no role") {
		t.Errorf("bad news: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for a.Connected() && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := a.AnnounceSource(t.Context(), edKey(1), news("a", rendezvous.Lead)); !errors.Is(err, rendezvous.ErrUnreachable) {
		t.Errorf("without a rendezvous: %v", err)
	}
}
