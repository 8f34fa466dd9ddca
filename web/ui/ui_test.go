// SPDX-License-Identifier: LGPL-2.1-or-later

package ui

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestHandler(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	built := fstest.MapFS{"dist/README": file("what belongs here"), "dist/app/index.html": file("<p>the page</p>"), "dist/app/assets/a-1.js": file("the.script()")}
	none := fstest.MapFS{"dist/README": file("what belongs here")}
	for _, c := range []struct {
		name         string
		dist         fstest.MapFS
		method, path string
		status       int
		text, cache  string
	}{
		{"page", built, "GET", "/", 200, "the page", ""},
		{"script", built, "GET", "/assets/a-1.js", 200, "the.script()", "immutable"},
		{"head", built, "HEAD", "/", 200, "", ""},
		{"unknown", built, "GET", "/nothing", 404, "", ""},
		{"what is beside it", built, "GET", "/../README", 404, "", ""},
		{"post", built, "POST", "/", 405, "by GET", ""},
		{"not built", none, "GET", "/", 200, "make build", ""},
		{"a file of what was not built", none, "GET", "/assets/a-1.js", 404, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "http://localhost/", nil)
			r.URL.Path = c.path
			w := httptest.NewRecorder()
			handler(app(c.dist)).ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.text) || !strings.Contains(w.Header().Get("Cache-Control"), c.cache) {
				t.Errorf("%d %q, cache %q; want %d %q, %q", w.Code, w.Body, w.Header().Get("Cache-Control"), c.status, c.text, c.cache)
			}
		})
	}
}

// The program is built with what is in the tree, at least with what says how to build
// the page.
func TestEmbedded(t *testing.T) {
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "<title>xp2p</title>") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
