// SPDX-License-Identifier: LGPL-2.1-or-later

package objectstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is an S3-compatible store in memory with the bucket "cameras". before sees
// every request, and answers those for which it returns true.
func server(t *testing.T, before func(w http.ResponseWriter, r *http.Request) bool) *httptest.Server {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("cameras"); err != nil {
		t.Fatal(err)
	}
	h := gofakes3.New(backend).Server()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before == nil || !before(w, r) {
			h.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func store(t *testing.T, endpoint string, change func(*Config)) *Store {
	t.Helper()
	cfg := Config{Endpoint: endpoint, Bucket: "cameras", Prefix: "home/", Region: "us-east-1", AccessKey: "a", SecretKey: "b"}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	var puts []*http.Request
	srv := server(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			puts = append(puts, r)
		}
		return false
	})
	s := store(t, srv.URL, nil)
	file := make([]byte, 3<<20)
	rand.New(rand.NewSource(1)).Read(file)
	const key = "id/gate/2026-11-24/17-05-03.123.mp4"
	for range 2 { // the second time in the place of the first
		if err := s.Put(t.Context(), key, bytes.NewReader(file), int64(len(file))); err != nil {
			t.Fatal(err)
		}
	}
	if r := puts[0]; r.URL.Path != "/cameras/home/"+key || r.Header.Get("Content-Md5") == "" || len(r.Header.Get("X-Amz-Meta-Xp2p-Sha256")) != 64 {
		t.Errorf("PUT %s %v", r.URL.Path, r.Header)
	}
	f, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := f.Size(); err != nil || n != int64(len(file)) {
		t.Errorf("%d bytes %v", n, err)
	}
	for _, c := range []struct {
		off  int64
		n    int
		want int
		err  error
	}{{0, 100, 100, nil}, {1 << 20, 512 << 10, 512 << 10, nil}, {3<<20 - 10, 100, 10, io.EOF}, {3 << 20, 1, 0, io.EOF}, {0, 0, 0, nil}} {
		b := make([]byte, c.n)
		n, err := f.ReadAt(b, c.off)
		if n != c.want || err != c.err || !bytes.Equal(b[:n], file[min(c.off, int64(len(file))):][:n]) {
			t.Errorf("%d bytes at %d: %d %v", c.n, c.off, n, err)
		}
	}
	if _, err := s.Open(t.Context(), "nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	for range 2 {
		if err := s.Remove(t.Context(), key); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
	if _, err := s.Open(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was removed: %v", err)
	}
}

// damaged changes one byte on the way.
type damaged struct{ io.ReadCloser }

func (d damaged) Read(b []byte) (int, error) {
	n, err := d.ReadCloser.Read(b)
	if n > 0 {
		b[0] ^= 1
	}
	return n, err
}

func TestStoreFails(t *testing.T) {
	file := strings.NewReader("the bytes of a segment")
	put := func(s *Store) error { return s.Put(t.Context(), "x", file, file.Size()) }
	t.Run("damage on the way", func(t *testing.T) {
		srv := server(t, func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut {
				r.Body = damaged{r.Body}
			}
			return false
		})
		if err := put(store(t, srv.URL, nil)); err == nil {
			t.Error("damaged bytes were taken for good ones")
		}
	})
	t.Run("no bucket", func(t *testing.T) {
		srv := server(t, nil)
		if err := put(store(t, srv.URL, func(c *Config) { c.Bucket = "other" })); err == nil || !strings.Contains(err.Error(), `no bucket "other"`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		srv := server(t, func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusForbidden); return true })
		if err := put(store(t, srv.URL, nil)); err == nil {
			t.Error("taken")
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := store(t, "http://127.0.0.1:1", nil).Put(ctx, "x", file, file.Size()); err == nil {
			t.Error("taken")
		}
	})
	t.Run("it forgets at once", func(t *testing.T) {
		var puts atomic.Int64
		srv := server(t, func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut { // it says yes and keeps nothing
				puts.Add(1)
				io.Copy(io.Discard, r.Body)
				w.Header().Set("ETag", `"d41d8cd98f00b204e9800998ecf8427e"`)
				return true
			}
			return false
		})
		if err := put(store(t, srv.URL, nil)); !errors.Is(err, fs.ErrNotExist) || puts.Load() == 0 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("it takes nothing and says nothing", func(t *testing.T) {
		over := make(chan struct{})
		srv := server(t, func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut {
				<-over
			}
			return r.Method == http.MethodPut
		})
		defer close(over)
		s := store(t, srv.URL, nil)
		s.stall = 50 * time.Millisecond
		if err := put(s); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("closed while it reads", func(t *testing.T) {
		reading := make(chan struct{})
		srv := server(t, func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet && r.Header.Get("Range") != "" {
				close(reading)
				<-r.Context().Done()
				return true
			}
			return false
		})
		s := store(t, srv.URL, nil)
		if err := put(s); err != nil {
			t.Fatal(err)
		}
		f, err := s.Open(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		go func() { <-reading; f.Close() }()
		if n, err := f.ReadAt(make([]byte, 10), 0); err == nil {
			t.Errorf("read %d bytes", n)
		}
	})
	for _, endpoint := range []string{"", "s3.example", "ftp://s3.example", "https://", "https://s3.example/bucket"} {
		if _, err := New(Config{Endpoint: endpoint, Bucket: "b"}); err == nil || !strings.Contains(err.Error(), "wanted https://") {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

// Under a limit uploads go whole, and end with their context.
func TestRate(t *testing.T) {
	s := store(t, server(t, nil).URL, func(c *Config) { c.Rate = 4 << 20 })
	file := make([]byte, 256<<10)
	if err := s.Put(t.Context(), "x", bytes.NewReader(file), int64(len(file))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Put(ctx, "y", bytes.NewReader(make([]byte, 64<<20)), 64<<20); err == nil {
		t.Error("64 MiB went in 50 ms, at 4 MiB/s")
	}
}

// What is there is listed under the store's own prefix, and fetched with the hash that it was sent with.
func TestListAndFetch(t *testing.T) {
	web := server(t, nil)
	s, other := store(t, web.URL, nil), store(t, web.URL, func(c *Config) { c.Prefix = "" })
	content := bytes.Repeat([]byte("film"), 1000)
	for _, key := range []string{"b/2.mp4", "a/1.mp4", "b/1.mp4"} {
		if err := s.Put(t.Context(), key, bytes.NewReader(content), int64(len(content))); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Put(t.Context(), "homes/1.mp4", bytes.NewReader(content), 4); err != nil {
		t.Fatal(err)
	}
	for prefix, want := range map[string]string{"": "a/1.mp4 b/1.mp4 b/2.mp4", "b/": "b/1.mp4 b/2.mp4", "c/": ""} {
		var got []string
		if err := s.List(t.Context(), prefix, func(key string, size int64) error {
			if size != int64(len(content)) {
				t.Errorf("%s has %d bytes", key, size)
			}
			got = append(got, key)
			return nil
		}); err != nil || strings.Join(got, " ") != want {
			t.Errorf("under %q: %q, %v; want %q", prefix, got, err, want)
		}
	}
	errEnough := errors.New("enough")
	if err := s.List(t.Context(), "", func(string, int64) error { return errEnough }); !errors.Is(err, errEnough) {
		t.Errorf("ended by who listens: %v", err)
	}
	var b bytes.Buffer
	sum, err := s.Fetch(t.Context(), "a/1.mp4", &b)
	if want := sha256.Sum256(content); err != nil || !bytes.Equal(b.Bytes(), content) || sum != hex.EncodeToString(want[:]) {
		t.Errorf("%d bytes, sum %s, %v", b.Len(), sum, err)
	}
	if _, err := s.Fetch(t.Context(), "a/2.mp4", io.Discard); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	web.Close()
	gone, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.List(gone, "", func(string, int64) error { return nil }); err == nil {
		t.Error("a server that is away lists nothing without an error")
	}
}

// A store that begins to answer and then sends nothing is left.
func TestFetchStalls(t *testing.T) {
	release := make(chan struct{})
	web := server(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "1.mp4") {
			return false
		}
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Last-Modified", "Fri, 27 Nov 2026 12:00:00 GMT")
		w.Write([]byte("film"))
		w.(http.Flusher).Flush()
		<-release
		return true
	})
	defer close(release)
	s := store(t, web.URL, nil)
	s.stall = 200 * time.Millisecond
	if _, err := s.Fetch(t.Context(), "1.mp4", io.Discard); err == nil || !strings.Contains(err.Error(), "sent nothing") {
		t.Errorf("%v", err)
	}
}
