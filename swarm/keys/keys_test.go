// SPDX-License-Identifier: LGPL-2.1-or-later

package keys

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/xp2p/xp2p/rendezvous/server"
	"github.com/xp2p/xp2p/swarm/chunk"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func kvBucket(t *testing.T) jetstream.KeyValue {
	t.Helper()
	s, err := server.Start(t.Context(), server.Config{Listen: "127.0.0.1:0", State: t.TempDir(), TURNTCP: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	kv, err := s.KeyValue(t.Context(), "codes", 48*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

// Both stores keep what they are given and notice who comes second.
func TestStores(t *testing.T) {
	for name, store := range map[string]Store{"memory": NewMemory(0), "kv": NewKV(kvBucket(t))} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			r := Record{Code: newCode(), Expire: time.Now().Add(time.Hour).UTC().Round(time.Second), Keys: []chunk.StreamKey{newKey(1)}}
			if _, _, err := store.Get(ctx, r.Code); !errors.Is(err, ErrNoCode) {
				t.Errorf("get from nothing: %v", err)
			}
			if err := store.Put(ctx, r, 0); err != nil {
				t.Fatal(err)
			}
			if err := store.Put(ctx, r, 0); !errors.Is(err, ErrChanged) {
				t.Errorf("put a second time: %v", err)
			}
			got, revision, err := store.Get(ctx, r.Code)
			if err != nil || !cmp.Equal(got, r) {
				t.Fatalf("got %+v, %v", got, err)
			}
			r.Keys = append(r.Keys, newKey(2))
			if err := store.Put(ctx, r, revision); err != nil {
				t.Fatal(err)
			}
			if err := store.Put(ctx, r, revision); !errors.Is(err, ErrChanged) {
				t.Errorf("put with an old revision: %v", err)
			}
			if got, _, err := store.Get(ctx, r.Code); err != nil || !cmp.Equal(got, r) {
				t.Errorf("got %+v, %v", got, err)
			}
			s := NewService(store, time.Hour)
			made, err := s.Create(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for id := uint32(2); id <= 5; id++ {
				turned, err := s.Rotate(ctx, made.Code)
				if err != nil || turned.Newest().ID != id || len(turned.Keys) > maxKeys || turned.Code != made.Code {
					t.Fatalf("rotation to %d: %+v, %v", id, turned, err)
				}
			}
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := NewMemory(2)
	s := NewService(m, time.Hour)
	s.now = func() time.Time { return time.Now().Add(-2 * time.Hour) }
	for range 2 {
		if _, err := s.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.now = time.Now
	for i, want := range []error{nil, nil, ErrFull} { // the first finds that the old ones have expired
		if _, err := s.Create(t.Context()); !errors.Is(err, want) {
			t.Errorf("code %d: %v", i, err)
		}
	}
}

// The requests and answers are the reference's, to the field.
func TestHTTP(t *testing.T) {
	s := NewService(NewMemory(0), 0)
	h := s.Handler(HandlerConfig{Token: "secret"})
	ask := func(method, path, token string) (int, map[string]any) {
		t.Helper()
		r := httptest.NewRequest(method, path, nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var a map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil && w.Code != http.StatusMethodNotAllowed && w.Code != http.StatusNotFound {
			t.Fatalf("%s %s: %v: %s", method, path, err, w.Body)
		}
		return w.Code, a
	}
	status, made := ask("POST", "/code", "secret")
	if status != 200 || len(made) != 3 {
		t.Fatalf("POST /code: %d %v", status, made)
	}
	code, key := made["code"].(string), made["key"].(string)
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(code) {
		t.Errorf("code %q is no UUID", code)
	}
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(key) {
		t.Errorf("key %q is not 64 hex digits", key)
	}
	if left := int64(made["expire"].(float64)) - time.Now().Unix(); left < 86390 || left > 86400 {
		t.Errorf("the code holds for %d s", left)
	}
	if status, got := ask("GET", "/code/"+code, ""); status != 200 || !cmp.Equal(got, map[string]any{"key": key}) {
		t.Errorf("GET /code/…: %d %v", status, got)
	}
	if status, turned := ask("POST", "/code?_rotate="+code, "secret"); status != 200 || turned["id"] != 2.0 || turned["key"] == key || turned["code"] != code {
		t.Errorf("rotation: %d %v", status, turned)
	}
	if status, got := ask("GET", "/code/"+code+"?_keys=1", ""); status != 200 || len(got["keys"].([]any)) != 2 {
		t.Errorf("all keys: %d %v", status, got)
	}
	for _, tt := range []struct {
		method, path, token string
		status              int
	}{
		{"POST", "/code", "", 401},
		{"POST", "/code", "wrong", 401},
		{"POST", "/code?_rotate=" + newCode(), "secret", 404},
		{"POST", "/code?_rotate=x", "secret", 404},
		{"GET", "/code/" + newCode(), "", 404},
		{"GET", "/code/" + strings.ToUpper(code), "", 404},
		{"GET", "/code/" + strings.Repeat("a", 4000), "", 404},
		{"GET", "/code/%00%ff", "", 404},
		{"DELETE", "/code/" + code, "", 405},
		{"GET", "/code", "", 405},
	} {
		if status, a := ask(tt.method, tt.path, tt.token); status != tt.status || status < 405 && a["error"] == "" {
			t.Errorf("%s %.60s: %d %v, want %d", tt.method, tt.path, status, a, tt.status)
		}
	}
	s.now = func() time.Time { return time.Now().Add(86401 * time.Second) }
	if status, _ := ask("GET", "/code/"+code, ""); status != 404 {
		t.Errorf("a code that has expired: %d", status)
	}
	if status, _ := ask("POST", "/code?_rotate="+code, "secret"); status != 404 {
		t.Errorf("rotation of a code that has expired: %d", status)
	}
}

// Without a token only this machine makes codes.
func TestLoopbackMakesCodes(t *testing.T) {
	h := NewService(NewMemory(0), 0).Handler(HandlerConfig{})
	for addr, want := range map[string]int{"127.0.0.1:9": 200, "[::1]:9": 200, "192.0.2.1:9": 401, "nonsense": 401} {
		r := httptest.NewRequest("POST", "/code", nil)
		r.RemoteAddr = addr
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("from %s: %d, want %d", addr, w.Code, want)
		}
	}
}

func TestClient(t *testing.T) {
	s := NewService(NewMemory(0), time.Hour)
	srv := httptest.NewServer(s.Handler(HandlerConfig{Token: "secret"}))
	defer srv.Close()
	c := &Client{URL: srv.URL + "/code", Token: "secret", HTTP: srv.Client()}
	made, err := c.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	turned, err := c.Rotate(t.Context(), made.Code)
	if err != nil || turned.Newest().ID != 2 {
		t.Fatalf("rotation: %v, %v", turned.Newest(), err)
	}
	a, err := Fetch(t.Context(), srv.Client(), srv.URL+"/code/"+made.Code)
	if err != nil || !cmp.Equal(a.Keys, append(made.Keys, turned.Keys...)) || a.Refresh <= 0 {
		t.Errorf("fetched %+v, %v", a, err)
	}
	if _, err := Fetch(t.Context(), srv.Client(), srv.URL+"/code/"+newCode()); !errors.Is(err, ErrNoCode) {
		t.Errorf("an unknown code: %v", err)
	}
	wrong := &Client{URL: srv.URL + "/code", Token: "other", HTTP: srv.Client()}
	if _, err := wrong.Create(t.Context()); err == nil {
		t.Error("a code is made with the wrong token")
	}
}

// A viewer asks whatever answers at its codeUrl.
func TestBadAnswers(t *testing.T) {
	var body atomic.Pointer[string]
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, *body.Load()) }))
	defer srv.Close()
	good := strings.Repeat("ab", 32)
	for _, tt := range []struct {
		body string
		ok   bool
	}{
		{`{"key":"` + good + `"}`, true}, // the original's service
		{`{"key":"` + good + `","keys":[{"id":4,"key":"` + good + `"}],"refresh":-3}`, true},
		{``, false},
		{`[]`, false},
		{`{}`, false},
		{`{"key":"` + good[1:] + `"}`, false},
		{`{"key":"` + good + `","keys":[{"id":4,"key":"zz"}]}`, false},
		{`{"key":"` + strings.Repeat("a", 1<<20) + `"}`, false},
	} {
		body.Store(&tt.body)
		a, err := Fetch(t.Context(), srv.Client(), srv.URL+"/code/x")
		if (err == nil) != tt.ok || a.Refresh < 0 {
			t.Errorf("%.80s: %v", tt.body, err)
		}
	}
	for _, u := range []string{"", "x", "ftp://example.invalid/", "http://", "http://[::1"} {
		if _, err := Fetch(t.Context(), srv.Client(), u); err == nil {
			t.Errorf("codeUrl %q is taken", u)
		}
	}
}

// A ring learns keys as they appear and keeps what it has when the code expires.
func TestRing(t *testing.T) {
	s := NewService(NewMemory(0), time.Hour)
	rec, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var expired atomic.Bool
	h := s.Handler(HandlerConfig{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if expired.Load() {
			http.NotFound(w, r)
			return
		}
		h.ServeHTTP(w, r)
	}))
	defer srv.Close()
	ring := NewRing(srv.URL+"/code/"+rec.Code, srv.Client(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { ring.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	key := func(id uint32) chunk.StreamKey {
		t.Helper()
		for {
			changed, _ := ring.Changed()
			if k, ok := ring.Key(id); ok {
				return k
			}
			select {
			case <-changed:
			case <-time.After(20 * time.Second):
				t.Fatalf("key %d does not come", id)
			}
		}
	}
	if key(1) != rec.Newest() {
		t.Error("the first key is another")
	}
	turned, err := s.Rotate(t.Context(), rec.Code)
	if err != nil {
		t.Fatal(err)
	}
	if key(2) != turned.Newest() {
		t.Error("the second key is another")
	}
	for range 2 * maxKeys { // the first keys are not given out any more
		if _, err := s.Rotate(t.Context(), rec.Code); err != nil {
			t.Fatal(err)
		}
	}
	newest := uint32(2 + 2*maxKeys)
	key(newest)
	if _, ok := ring.Key(2); !ok || ring.Passed(2) || !ring.Passed(3) || ring.Passed(newest+1) {
		t.Error("the ring does not know which keys come and which do not")
	}
	expired.Store(true)
	ring.Key(newest + 1)
	<-done // it ends by itself
	if _, err := ring.Changed(); !errors.Is(err, ErrNoCode) {
		t.Errorf("the ring ended with %v", err)
	}
	if _, ok := ring.Key(2); !ok {
		t.Error("a key is forgotten with the code")
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	k := newKey(7)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k)
	fmt.Fprint(&log, k)
	if got := log.String(); strings.Contains(got, fmt.Sprint(k.Secret)) || strings.Contains(got, fmt.Sprintf("%x", k.Secret)) {
		t.Errorf("the log has the secret: %s", got)
	}
}
