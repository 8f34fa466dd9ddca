// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"time"
)

// paced is a connection that waits for ticks, and its other end.
func paced(t *testing.T, tick time.Duration) (*pacedConn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := dialPaced(&pacer{period: tick}, (&net.Dialer{}).DialContext)(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	if err := c.(*pacedConn).pace(); err != nil {
		t.Fatal(err)
	}
	return c.(*pacedConn), other.(*net.TCPConn)
}

func TestPacedConnReads(t *testing.T) {
	c, other := paced(t, time.Millisecond)
	want := make([]byte, 3<<20)
	random := rand.NewChaCha8([32]byte{})
	random.Read(want)
	go func() {
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 1+int(random.Uint64()%100000))
			other.Write(rest[:n])
			rest = rest[n:]
		}
		other.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v; %d were sent", len(got), err, len(want))
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
	if _, err := c.Write([]byte("bye")); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(io.LimitReader(other, 3)); string(b) != "bye" {
		t.Errorf("the other end got %q, %v", b, err)
	}
	if err := c.SetDeadline(time.Now()); !errors.Is(err, os.ErrNoDeadline) {
		t.Errorf("SetDeadline: %v", err)
	}
}

// What comes after a Read that emptied the connection is seen at the next tick.
func TestPacedConnWaitsForTicks(t *testing.T) {
	c, other := paced(t, time.Hour)
	other.Write([]byte("one"))
	buf := make([]byte, 16)
	for {
		n, err := c.tryRead(buf)
		if errors.Is(err, syscall.EAGAIN) {
			continue // on its way
		}
		if string(buf[:n]) != "one" || err != nil {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		break
	}
	c.drained = true
	other.Write([]byte("two"))
	if n, err := c.tryRead(buf); !errors.Is(err, syscall.EAGAIN) {
		t.Fatalf("between ticks: %q, %v", buf[:n], err)
	}
	read := make(chan string)
	go func() {
		n, _ := c.Read(buf)
		read <- string(buf[:n])
	}()
	for { // as often as it takes until the reader waits and the bytes are there
		c.pacer.next()
		c.pacer.fire()
		select {
		case got := <-read:
			if got != "two" {
				t.Errorf("%q", got)
			}
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func TestPacedConnEnds(t *testing.T) {
	t.Run("closed while it waits", func(t *testing.T) {
		c, _ := paced(t, time.Hour)
		time.AfterFunc(10*time.Millisecond, func() { c.Close() })
		if _, err := c.Read(make([]byte, 16)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("Close again: %v", err)
		}
		if _, err := c.Write(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
	})
	t.Run("reset", func(t *testing.T) {
		c, other := paced(t, time.Millisecond)
		other.SetLinger(0)
		other.Close()
		if _, err := c.Read(make([]byte, 16)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read: %v", err)
		}
	})
	t.Run("nobody reads at the other end", func(t *testing.T) {
		c, _ := paced(t, time.Millisecond)
		var err error
		for range 1000 {
			if _, err = c.Write(make([]byte, 64<<10)); err != nil {
				break
			}
		}
		if err == nil {
			t.Error("64 MB were taken")
		}
	})
	t.Run("closed before it is paced", func(t *testing.T) {
		c, err := dialPaced(&pacer{period: time.Hour}, func(context.Context, string, string) (net.Conn, error) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			defer l.Close()
			return net.Dial("tcp", l.Addr().String())
		})(context.Background(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := c.(*pacedConn).pace(); err == nil {
			t.Error("it was paced")
		}
	})
}

// Streams of servers of all kinds come whole, and leave no descriptor behind.
func TestPacedStreams(t *testing.T) {
	want := make([]byte, 2<<20)
	rand.NewChaCha8([32]byte{}).Read(want)
	var redirect string
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/elsewhere":
			http.Redirect(w, r, redirect, http.StatusFound)
			return
		case "/length":
			w.Header().Set("Content-Length", "2097152")
		case "/until-closed":
			w.Header().Set("Connection", "close")
			conn, rw, _ := w.(http.Hijacker).Hijack()
			defer conn.Close()
			rw.WriteString("HTTP/1.0 200 OK\r\n\r\n")
			rw.Flush()
			conn.Write(want)
			return
		}
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 40000)
			w.Write(rest[:n])
			w.(http.Flusher).Flush()
			rest = rest[n:]
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	redirect = secure.URL + "/chunked"
	transport := newTransport(&pacer{period: time.Millisecond})
	transport.TLSClientConfig = secure.Client().Transport.(*http.Transport).TLSClientConfig
	before := descriptors(t)
	for _, url := range []string{plain.URL + "/chunked", plain.URL + "/length", plain.URL + "/until-closed",
		secure.URL + "/chunked", secure.URL + "/length", plain.URL + "/elsewhere"} {
		src := &httpSource{client: &http.Client{Transport: transport}, url: url}
		for _, whole := range []bool{true, false} {
			s, err := src.open(context.Background())
			if err != nil {
				t.Fatalf("%s: %v", url, err)
			}
			of := len(want)
			if !whole {
				of /= 10
			}
			got, err := io.ReadAll(io.LimitReader(s, int64(of)))
			if err != nil || !bytes.Equal(got, want[:of]) {
				t.Errorf("%s: %d bytes, %v", url, len(got), err)
			}
			s.Close()
		}
	}
	plain.Close()
	secure.Close()
	for range 1000 { // net/http closes its end when it has noticed
		if descriptors(t) <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%d descriptors are open, %d were before", descriptors(t), before)
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
