// SPDX-License-Identifier: LGPL-2.1-or-later

// Package ui holds the page as it was built: its source beside this file, built by
// Vite into dist/app (make ui). Where it was not built, a page says how to.
package ui

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
)

// dist has at least the file that says what belongs there, so that the program builds
// on a machine without Node.
//
//go:embed all:dist
var dist embed.FS

// Built says whether this program has the page.
func Built() bool {
	_, err := fs.Stat(dist, "dist/app/index.html")
	return err == nil
}

const notBuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="dark"><title>xp2p</title>
<h1>The page was not built</h1><p>This program was built without Node.js. <code>make build</code> builds it with the page.</p>
<p>The API is there all the same: <a href="/api/v1/cameras">/api/v1/cameras</a>, <a href="/metrics">/metrics</a>.</p></html>`

// Handler serves the page. Files with a hash in their name may be kept for ever, the
// rest not at all.
func Handler() http.Handler {
	h := handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the page is asked for by GET", http.StatusMethodNotAllowed)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func handler() http.Handler {
	if !Built() {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Write([]byte(notBuilt))
		})
	}
	app, err := fs.Sub(dist, "dist/app")
	if err != nil {
		panic(err) // a constant path
	}
	files := http.FileServerFS(app)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/assets/") {
			w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
		}
		files.ServeHTTP(w, r)
	})
}
