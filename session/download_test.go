// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/xp2p/xp2p/session"
)

// files answers downloads as docs/design/0005 says.
type files map[string][]byte

func (f files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	b, ok := f[q.Get("file_name")]
	offset, err := strconv.Atoi(q.Get("offset"))
	no := func(status int) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"status":"%d","error":"no %s from %d on"}`, status, q.Get("file_name"), offset)
	}
	switch {
	case r.Method != http.MethodGet || r.URL.Path != "/ipc.flv" || q.Get("action") != "download" || err != nil || !ok:
		no(http.StatusNotFound)
		return
	case offset > len(b):
		no(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	w.Header().Set("X-Xp2p-Size", strconv.Itoa(len(b)))
	w.Header().Set("Content-Length", strconv.Itoa(len(b)-offset))
	w.Write(b[offset:])
}

func TestDownload(t *testing.T) {
	whole := bytes.Repeat([]byte("0123456789abcdef"), 100<<10/16)
	s := newScripted(t, files{"a b&c=d.mp4": whole, "empty": {}}).service(session.StreamInfo{})
	for _, tt := range []struct {
		name   string
		offset int64
		want   []byte
	}{
		{"a b&c=d.mp4", 0, whole},
		{"a b&c=d.mp4", 70000, whole[70000:]},
		{"a b&c=d.mp4", int64(len(whole)), nil},
		{"empty", 0, nil},
	} {
		d, err := s.StartDownload(t.Context(), session.DownloadRequest{FileName: tt.name, Offset: tt.offset})
		if err != nil {
			t.Fatal(err)
		}
		size := d.Offset() + int64(len(tt.want))
		got, err := io.ReadAll(d)
		if err != nil || !bytes.Equal(got, tt.want) || d.Size() != size || d.Offset() != size {
			t.Errorf("%s from %d: %d bytes, size %d, at %d, %v", tt.name, tt.offset, len(got), d.Size(), d.Offset(), err)
		}
		if _, err := d.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("behind the end: %v", err)
		}
		d.Close()
		d.Close()
		if _, err := d.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after close: %v", err)
		}
	}
}

func TestDownloadRefused(t *testing.T) {
	s := newScripted(t, files{"a": []byte("abc")}).service(session.StreamInfo{})
	for _, tt := range []struct {
		req  session.DownloadRequest
		want session.Code
		text string
	}{
		{session.DownloadRequest{}, session.BadArgument, "get_file_list"},
		{session.DownloadRequest{FileName: strings.Repeat("x", 2000)}, session.BadArgument, "2000 bytes"},
		{session.DownloadRequest{FileName: "a", Offset: -1}, session.BadArgument, "offset -1"},
		{session.DownloadRequest{FileName: "a", Channel: -1}, session.BadArgument, "channel -1"},
		{session.DownloadRequest{FileName: "a", Params: "%zz"}, session.BadArgument, "%zz"},
		{session.DownloadRequest{FileName: "b"}, session.DownloadFailed, "404"},
		{session.DownloadRequest{FileName: "../a"}, session.DownloadFailed, "404"},
		{session.DownloadRequest{FileName: "a", Offset: 4}, session.DownloadFailed, "416"},
	} {
		d, err := s.StartDownload(t.Context(), tt.req)
		if err == nil {
			d.Close()
		}
		wantCode(t, err, tt.want)
		if err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%.40q: %v", tt.req.FileName, err)
		}
	}
	d, err := s.StartDownload(t.Context(), session.DownloadRequest{FileName: "a"})
	if err != nil {
		t.Fatalf("afterwards: %v", err)
	}
	d.Close()
}

func TestTwoDownloads(t *testing.T) {
	big := make([]byte, 32<<20) // more than a link's window: it is still under way
	s := newScripted(t, files{"a": big, "b": big}).service(session.StreamInfo{})
	start := func(name string) (*session.Download, error) {
		return s.StartDownload(t.Context(), session.DownloadRequest{FileName: name})
	}
	a, err := start("a")
	if err != nil {
		t.Fatal(err)
	}
	_, err = start("a")
	wantCode(t, err, session.AlreadyStarted)
	if _, err := start("b"); err != nil {
		t.Errorf("another file: %v", err)
	}
	a.Close()
	if _, err = start("a"); err != nil {
		t.Errorf("when the first was stopped: %v", err)
	}
	s.StopDownloads()
	if a, err = start("a"); err != nil {
		t.Fatalf("when all were stopped: %v", err)
	}
	s.Close()
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read of a stopped service: %v", err)
	}
	_, err = start("b")
	wantCode(t, err, session.NoService)
}

// A camera that breaks off, or says one thing and sends another, is found out, and the
// rest can be fetched.
func TestDownloadBreaksOff(t *testing.T) {
	whole := bytes.Repeat([]byte("x"), 1<<20)
	c := newScripted(t, nil)
	s := c.service(session.StreamInfo{})
	broken := func(size string, send []byte, then func(*http.Request)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if size != "" {
				w.Header().Set("X-Xp2p-Size", size)
			}
			w.WriteHeader(http.StatusOK)
			w.Write(send)
			http.NewResponseController(w).Flush()
			if then != nil {
				then(r)
			}
		}
	}
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
	}{
		{"ends early", broken("1048576", whole[:1000], nil)},
		{"panics", broken("1048576", whole[:1000], func(*http.Request) { panic(http.ErrAbortHandler) })},
		{"too much", broken("1000", whole, nil)},
		{"no size", broken("", whole[:10], nil)},
		{"a size that is none", broken("many", whole[:10], nil)},
		{"a size below the offset", broken("5", whole[:10], nil)},
	} {
		c.Handle(tt.handler)
		d, err := s.StartDownload(t.Context(), session.DownloadRequest{FileName: "f", Offset: 10})
		if err == nil {
			_, err = io.Copy(io.Discard, d)
			d.Close()
		}
		if code, _ := session.CodeOf(err); code != session.DownloadFailed {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	c.Handle(broken("1048576", whole[:1000], func(r *http.Request) { <-r.Context().Done() }))
	d, err := s.StartDownload(t.Context(), session.DownloadRequest{FileName: "f"})
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1000)
	if _, err := io.ReadFull(d, first); err != nil {
		t.Fatal(err)
	}
	c.HangUp()
	more, err := io.ReadAll(d)
	wantCode(t, err, session.DownloadFailed)
	got := append(first, more...)
	at := d.Offset()
	if at != int64(len(got)) {
		t.Errorf("at %d with %d bytes", at, len(got))
	}
	d.Close()
	c.Handle(files{"f": whole})
	if d, err = s.StartDownload(t.Context(), session.DownloadRequest{FileName: "f", Offset: at}); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	rest, err := io.ReadAll(d)
	if err != nil || !bytes.Equal(append(got, rest...), whole) {
		t.Errorf("%d bytes and %d more, %v", len(got), len(rest), err)
	}
}
