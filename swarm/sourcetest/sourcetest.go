// SPDX-License-Identifier: LGPL-2.1-or-later

// Package sourcetest is a source of streams of many viewers (1vN) for tests.
package sourcetest

import (
	"bytes"
	"crypto/ed25519"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/internal/testorigin"
	"github.com/xp2p/xp2p/swarm/keys"
	"github.com/xp2p/xp2p/swarm/source"
)

// Source serves until the test ends.
type Source struct {
	File    string // that it plays over and over
	Base    string // "http://HOST:PORT"
	URL     string // of the stream at path
	CodeURL string // of its key; "": not sealed
}

// Start starts a source with streams at path and at others.
func Start(t testing.TB, sealed bool, path string, others ...string) *Source {
	t.Helper()
	x := &Source{File: testmedia.FLV(t, testmedia.H264AAC, 4, testmedia.Options{GOP: testmedia.FrameRate})}
	open, err := source.HTTPOrigin(testorigin.New(t, x.File, 1).URL())
	if err != nil {
		t.Fatal(err)
	}
	cfg := source.Config{Key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))}
	for _, p := range append([]string{path}, others...) {
		cfg.Streams = append(cfg.Streams, source.Stream{Path: p, Origin: open})
	}
	service := keys.NewService(keys.NewMemory(0), time.Hour)
	if sealed {
		cfg.Issuer = service
	}
	s, err := source.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", s)
	mux.Handle("/code/", service.Handler(keys.HandlerConfig{}))
	srv := httptest.NewServer(mux)
	t.Cleanup(func() { s.Close(); srv.Close() })
	x.Base, x.URL = srv.URL, srv.URL+path
	if sealed {
		x.CodeURL = srv.URL + "/code/" + s.Code(path)
	}
	return x
}
