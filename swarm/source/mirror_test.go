// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/keys"
	"github.com/xp2p/xp2p/swarm/wire"
)

// Who may not, or cannot, be a mirror is told why.
func TestNoMirror(t *testing.T) {
	src, err := New(t.Context(), Config{Key: testKey, Token: "secret", Patience: 50 * time.Millisecond,
		Streams: []Stream{{Path: "/live/a.flv", Upstream: &Upstream{URL: "http://127.0.0.1:1/live/a.flv"}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	srv := httptest.NewServer(src)
	defer srv.Close()
	for _, tt := range []struct {
		name, token string
		join        wire.Join
		status      int
		say         string
	}{
		{"no token", "", wire.Join{Mirror: "http://b/live/a.flv"}, http.StatusForbidden, "token"},
		{"another token", "guess", wire.Join{Mirror: "http://b/live/a.flv"}, http.StatusForbidden, "token"},
		{"no URL", "secret", wire.Join{Mirror: "b"}, http.StatusForbidden, "not that of a stream"},
		{"a file", "secret", wire.Join{Mirror: "file:///etc/passwd"}, http.StatusForbidden, "not that of a stream"},
		{"a query", "secret", wire.Join{Mirror: "http://b/a.flv?x=1"}, http.StatusForbidden, "not that of a stream"},
		{"a long one", "secret", wire.Join{Mirror: "http://b/" + strings.Repeat("a", maxURL)}, http.StatusForbidden, "not that of a stream"},
		{"a first source that is not there", "", wire.Join{Stripes: 15}, http.StatusServiceUnavailable, "first source"},
	} {
		b, _ := json.Marshal(tt.join)
		req, _ := http.NewRequest(http.MethodPost, srv.URL+"/live/a.flv?_swarm=join", bytes.NewReader(b))
		if tt.token != "" {
			req.Header.Set("Authorization", "Bearer "+tt.token)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != tt.status || !strings.Contains(string(body), tt.say) {
			t.Errorf("%s: %s: %s", tt.name, res.Status, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// A mirror has no key of a sealed stream, and yet only who has one becomes a member there: it
// asks the first source. Who was believed still is when that one is gone.
func TestMembersOfMirrorHaveTheKey(t *testing.T) {
	service := keys.NewService(keys.NewMemory(0), time.Hour)
	w := newWorld(t, func(c *Config) { c.Issuer = service })
	rec, err := service.Lookup(t.Context(), w.Code(path))
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(t.Context(), Config{Key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, ed25519.SeedSize)), Streams: []Stream{{Path: path, Upstream: &Upstream{URL: w.srv.URL + path}}}})
	if err != nil {
		t.Fatal(err)
	}
	msrv := httptest.NewServer(m)
	defer func() { m.Close(); msrv.Close() }()
	at := &world{Source: m, t: t, srv: msrv, client: w.client}
	id, err := link.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	pin := id.Pin().String()
	x := at.join(t.Context(), wire.Join{Stripes: 15, Pin: pin})
	wrong := rec.Newest()
	wrong.Secret[0]++
	good := keys.Proof(rec.Newest(), x.v.Swarm, pin)
	track := func(proofs ...[]byte) (status int, body string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b, _ := json.Marshal(wire.Join{Pin: pin, Proofs: proofs})
		res := at.do(ctx, "POST", path+"?_swarm=track&token="+x.welcome.Token, bytes.NewReader(b))
		if res.StatusCode != http.StatusOK {
			b, _ = io.ReadAll(res.Body)
		}
		return res.StatusCode, string(b)
	}
	for _, tt := range []struct {
		name   string
		proofs [][]byte
		status int
	}{
		{"no proof", nil, http.StatusForbidden},
		{"rubbish", [][]byte{nil, {1}, bytes.Repeat([]byte{2}, 32)}, http.StatusForbidden},
		{"another key", [][]byte{keys.Proof(wrong, x.v.Swarm, pin)}, http.StatusForbidden},
		{"another member's", [][]byte{keys.Proof(rec.Newest(), x.v.Swarm, "x"+pin)}, http.StatusForbidden},
		{"the key", [][]byte{keys.Proof(wrong, x.v.Swarm, pin), good}, http.StatusOK},
		{"none behind one", nil, http.StatusForbidden},
	} {
		if status, body := track(tt.proofs...); status != tt.status || status != http.StatusOK && !strings.Contains(body, "-2502") {
			t.Errorf("%s: %d %s, want %d", tt.name, status, body, tt.status)
		}
	}
	w.Source.Close()
	w.srv.CloseClientConnections()
	w.srv.Close()
	if status, body := track(keys.Proof(wrong, x.v.Swarm, pin), good); status != http.StatusOK {
		t.Errorf("who was believed, without a first source: %d %s", status, body)
	}
	if status, body := track(good); status != http.StatusServiceUnavailable || !strings.Contains(body, "-2402") {
		t.Errorf("somebody new, without a first source: %d %s", status, body)
	}
}

// A mirror passes on what its first source has signed and nothing else, whoever answers
// at its URL.
func TestMirrorOfLiar(t *testing.T) {
	const name = "/live/a.flv"
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, ed25519.SeedSize))
	welcome := wire.Welcome{Stream: name, Key: testKey.Public().(ed25519.PublicKey), Token: "t"}
	made := func(key ed25519.PrivateKey) (frames []byte) {
		p := chunk.NewPackager(chunk.PackagerConfig{Key: key, Stream: name, First: 1 << 20, Number: 1,
			Begin: func(e *chunk.Epoch) { frames = wire.Append(frames, wire.TypeEpoch, e.Bytes()) },
			Emit:  func(c *chunk.Chunk) { frames = wire.Append(frames, wire.TypeChunk, c.Bytes()) }})
		b, err := os.ReadFile(testmedia.FLV(t, testmedia.H264AAC, 2, testmedia.Options{GOP: testmedia.FrameRate}))
		if err != nil {
			t.Fatal(err)
		}
		r := flv.NewReader(bytes.NewReader(b), flv.Options{})
		var tag flv.Tag
		var u demux.Unit
		for now := time.Now(); r.Next(&tag, &u) == nil; {
			p.Put(&tag, &u, now.Add(u.DTS))
		}
		p.Flush()
		return frames
	}
	for _, tt := range []struct {
		name    string
		welcome wire.Welcome
		frames  []byte
		serves  bool
	}{
		{"honest", welcome, made(testKey), true},
		{"signed by another", welcome, made(other), false},
		{"another stream", wire.Welcome{Stream: "/live/b.flv", Key: welcome.Key}, made(testKey), false},
		{"no key", wire.Welcome{Stream: name}, made(testKey), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Write(append(wire.AppendJSON(nil, wire.TypeWelcome, tt.welcome), tt.frames...))
				http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}))
			defer up.Close()
			src, err := New(t.Context(), Config{Key: other, Patience: 500 * time.Millisecond, Streams: []Stream{{Path: name, Upstream: &Upstream{URL: up.URL + name}}}})
			if err != nil {
				t.Fatal(err)
			}
			defer up.CloseClientConnections()
			defer src.Close()
			st := src.streams[name]
			leave, err := st.enter()
			if err != nil {
				t.Fatal(err)
			}
			defer leave()
			_, err = st.awaitStart(t.Context())
			if (err == nil) != tt.serves {
				t.Errorf("it serves the stream: %v, want %v (%v)", err == nil, tt.serves, err)
			}
		})
	}
}
