// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/swarm/source"
)

// mirror is another source of the world's stream.
type mirror struct {
	*source.Source
	srv *httptest.Server
}

func (w *world) mirror(token string) *mirror {
	w.t.Helper()
	m := &mirror{}
	h := make(chan http.Handler, 1)
	m.srv = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		x := <-h
		h <- x
		x.ServeHTTP(rw, r)
	}))
	var err error
	m.Source, err = source.New(w.t.Context(), source.Config{Key: testKey2, Streams: []source.Stream{{Path: path,
		Upstream: &source.Upstream{URL: w.url(), Token: token, Public: m.srv.URL + path}}}})
	if err != nil {
		w.t.Fatal(err)
	}
	h <- m.Source
	w.t.Cleanup(m.die)
	return m
}

func (m *mirror) die() {
	m.Source.Close()
	m.srv.CloseClientConnections()
	m.srv.Close()
}

// Mirrors share the load, have the very chunks of the first source, and when one is gone
// its viewers go on at another without a tag lost or repeated.
func TestMirrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *source.Config) { c.Token = "secret" })
	w.watchTruth("")
	a, b := w.mirror("secret"), w.mirror("secret")
	first := func() int { s, _ := w.source.Stats(path); return s.Mirrors }
	eventually(t, "the first source knows its mirrors", func() bool { return first() == 2 })
	var vs []*viewer
	for i := range 6 {
		vs = append(vs, w.view(fmt.Sprint(i), nil))
	}
	at := func(base string) (n int) {
		for _, v := range vs {
			on := make(chan string, 1)
			v.post(v.life, func() {
				if v.source != nil {
					on <- v.source.base
				} else {
					on <- ""
				}
			})
			if <-on == base {
				n++
			}
		}
		return n
	}
	eventually(t, "all are fed", func() bool { return at("") == 0 })
	if x, y, z := at(w.url()), at(a.srv.URL+path), at(b.srv.URL+path); min(x, y, z) < 1 || max(x, y, z) > 3 { // its mirrors are fed by the source, too
		t.Errorf("%d, %d and %d viewers at the source and its mirrors, want some at each", x, y, z)
	}
	goOn(t, vs, 100)
	a.die()
	eventually(t, "its viewers are elsewhere", func() bool { return at(w.url())+at(b.srv.URL+path) == len(vs) })
	goOn(t, vs, 200)
	late := w.view("late", nil)
	goOn(t, []*viewer{late}, 100)
	for _, v := range append(vs, late) {
		if err := v.check(); err != nil {
			t.Error(err)
		}
	}
	if s, _ := b.Stats(path); s.SourceBytes == 0 || s.Viewers == 0 {
		t.Errorf("the mirror that is left: %+v", s)
	}
}

// A plain player sees the same at a mirror, tag by tag.
func TestPlainAtMirror(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *source.Config) { c.Token = "secret" })
	w.watchTruth("")
	m := w.mirror("secret")
	res, err := w.client.Get(m.srv.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := flv.NewReader(res.Body, flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	at := -1
	for n := 0; n < 100; {
		if err := r.Next(&tag, &u); err != nil {
			t.Fatal(err)
		}
		id := idOf(&tag, &u)
		if id.config {
			continue
		}
		n++
		eventually(t, "the source's player has it too", func() bool { _, ok := w.truth.find(id); return ok })
		i, _ := w.truth.find(id)
		if at >= 0 && i != at+1 {
			t.Fatalf("tag %d comes behind tag %d", i, at)
		}
		at = i
	}
}

func TestPlaces(t *testing.T) {
	for _, tt := range []struct {
		name, asked string
		told, want  []string
	}{
		{"the query is taken along", "http://a/x.flv?k=1", []string{"http://b/x.flv"}, []string{"http://a/x.flv?k=1", "http://b/x.flv?k=1"}},
		{"https stays https", "https://a/x.flv", []string{"http://b/x.flv", "https://c/x.flv"}, []string{"https://a/x.flv", "https://c/x.flv"}},
		{"no URL, and none twice", "http://a/x.flv", []string{"", "::", "file:///etc/passwd", "http://a/x.flv", "//b/x.flv"}, []string{"http://a/x.flv"}},
		{"not endless", "http://a/0", []string{"http://a/1", "http://a/2", "http://a/3", "http://a/4", "http://a/5", "http://a/6", "http://a/7", "http://a/8", "http://a/9", "http://a/10"},
			[]string{"http://a/0", "http://a/1", "http://a/2", "http://a/3", "http://a/4", "http://a/5", "http://a/6", "http://a/7", "http://a/8", "http://a/9"}},
	} {
		x := places{asked: tt.asked}
		w := &toSource{base: tt.asked}
		w.welcome.Sources = tt.told
		x.found(w)
		x.found(nil)
		if !slices.Equal(x.urls, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, x.urls, tt.want)
		}
		for i := range 2 * len(tt.want) {
			if got := x.next(); got != tt.want[i%len(tt.want)] {
				t.Errorf("%s: the place to try is %q, want %q", tt.name, got, tt.want[i%len(tt.want)])
			}
		}
	}
}
