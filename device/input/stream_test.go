package input

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open parses spec and opens it; the stream is closed with the test.
func open(t *testing.T, spec string, o Options) io.ReadCloser {
	t.Helper()
	in, err := Parse(spec, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := in.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// refuse opens spec and returns the error that must come of it.
func refuse(t *testing.T, spec string, o Options) error {
	t.Helper()
	in, err := Parse(spec, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := in.Open(t.Context())
	if err == nil {
		s.Close()
		t.Fatalf("%s was opened", spec)
	}
	t.Logf("%v", err)
	return err
}

// media is what a stream has brought.
type media struct {
	pictures, keys, sounds int
	videoCodec, audioCodec demux.Codec
	configs                map[demux.Codec][]byte
	last                   [demux.Data + 1]time.Duration
}

// watch reads until a stream has brought that many pictures and sounds, and
// checks on the way that nothing is damaged and no track's time runs back.
func watch(t *testing.T, r io.Reader, pictures, sounds int) *media {
	t.Helper()
	m := &media{configs: make(map[demux.Codec][]byte)}
	reader := flv.NewReader(r, flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	for m.pictures < pictures || m.sounds < sounds {
		if err := reader.Next(&tag, &u); err != nil {
			t.Fatalf("after %d pictures and %d sounds: %v", m.pictures, m.sounds, err)
		}
		if u.DTS < m.last[u.Kind] {
			t.Errorf("%v: time %v after %v", u.Kind, u.DTS, m.last[u.Kind])
		}
		m.last[u.Kind] = u.DTS
		switch {
		case u.Config:
			m.configs[u.Codec] = bytes.Clone(u.Data)
		case u.Kind == demux.Video:
			m.videoCodec = u.Codec
			if m.pictures == 0 && (!u.Key || m.configs[u.Codec] == nil) {
				t.Errorf("the first picture is %+v", u)
			}
			m.pictures++
			if u.Key {
				m.keys++
			}
		case u.Kind == demux.Audio:
			m.audioCodec = u.Codec
			m.sounds++
		}
	}
	return m
}

// closeWakes checks that Close ends a Read that is waiting, for good.
func closeWakes(t *testing.T, s io.ReadCloser) {
	t.Helper()
	ended := make(chan error)
	go func() {
		_, err := io.Copy(io.Discard, s)
		ended <- err
	}()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("another read: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("another close: %v", err)
	}
}
