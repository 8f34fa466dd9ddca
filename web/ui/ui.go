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

// app is the page as it was built; nil: it was not.
func app(dist fs.FS) fs.FS {
	a, err := fs.Sub(dist, "dist/app")
	if err != nil {
		return nil
	}
	if _, err := fs.Stat(a, "index.html"); err != nil {
		return nil
	}
	return a
}

const notBuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="dark"><title>xp2p</title>
<h1>The page was not built</h1><p>This program was built without Node.js. <code>make build</code> builds it with the page.</p>
<p>The API is there all the same: <a href="/api/v1/cameras">/api/v1/cameras</a>, <a href="/metrics">/metrics</a>.</p></html>`

// Handler serves the page. Files with a hash in their name may be kept for ever, the
// rest not at all.
func Handler() http.Handler { return handler(app(dist)) }

func handler(app fs.FS) http.Handler {
	var files http.Handler
	if app != nil {
		files = http.FileServerFS(app)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the page is asked for by GET", http.StatusMethodNotAllowed)
		case files == nil && r.URL.Path == "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Write([]byte(notBuilt))
		case files == nil:
			http.NotFound(w, r)
		default:
			if strings.HasPrefix(r.URL.Path, "/assets/") {
				w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
			}
			files.ServeHTTP(w, r)
		}
	})
}
