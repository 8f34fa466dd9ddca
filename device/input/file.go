package input

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// file is an FLV file that plays in real time and starts over at its end.
type file struct{ path string }

func (f *file) String() string { return "flv:" + f.path }

// Open opens the file and reads up to its first picture or sound, so that what
// is wrong with the file is said here.
func (f *file) Open(context.Context) (io.ReadCloser, error) {
	h, err := os.Open(f.path)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	s := &fileStream{file: h, name: f.String(), done: make(chan struct{})}
	if err := s.begin(); err != nil {
		h.Close()
		return nil, fmt.Errorf("input %s: %w", s.name, err)
	}
	return s, nil
}

// fileStream is a file that plays. mu is held during Read, so that Close, after
// waking it by done, waits for it.
type fileStream struct {
	name string
	done chan struct{}
	once sync.Once

	mu     sync.Mutex
	file   *os.File
	reader *flv.Reader
	loop   loop
	pace   pace
	out    []byte // whole tags that are due
	sent   int    // bytes of out that were read
	buf    []byte // keeps out's memory
}

// begin checks the file and makes its header the first output.
func (s *fileStream) begin() error {
	begin := make([]byte, len(magic))
	switch n, err := io.ReadFull(s.file, begin); {
	case n == 0 && errors.Is(err, io.EOF):
		return errors.New("the file is empty")
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case string(begin[:n]) != magic:
		return fmt.Errorf("%w: the file begins with %q", ErrNotFLV, begin[:n])
	}
	video, audio, err := s.tracks()
	if err != nil {
		return err
	}
	if !video && !audio {
		return errors.New("the file has neither picture nor sound")
	}
	s.out = flv.AppendHeader(nil, video, audio)
	return s.rewind()
}

// tracksWithin is how many tags are looked at for tracks.
const tracksWithin = 200

// tracks says which tracks the beginning of the file has.
func (s *fileStream) tracks() (video, audio bool, err error) {
	if err := s.rewind(); err != nil {
		return false, false, err
	}
	var t flv.Tag
	var u demux.Unit
	for seen := 0; !(video && audio) && seen < tracksWithin; seen++ {
		err := s.reader.Next(&t, &u)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return false, false, err
		}
		media := !u.Config && !u.EndOfSequence
		video = video || u.Kind == demux.Video && media
		audio = audio || u.Kind == demux.Audio && media
	}
	return video, audio, nil
}

func (s *fileStream) rewind() error {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	s.reader = flv.NewReader(s.file, flv.Options{})
	return nil
}

func (s *fileStream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.sent == len(s.out) {
		if err := s.next(); err != nil {
			return 0, fmt.Errorf("input %s: %w", s.name, err)
		}
	}
	n := copy(p, s.out[s.sent:])
	s.sent += n
	return n, nil
}

// next waits until the next tag is due and puts it out with a time that goes on
// from loop to loop.
func (s *fileStream) next() error {
	select {
	case <-s.done:
		return net.ErrClosed
	default:
	}
	var t flv.Tag
	var u demux.Unit
	err := s.reader.Next(&t, &u)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		if !s.loop.turn() {
			return errors.New("the file has neither picture nor sound")
		}
		return s.rewind()
	}
	if err != nil {
		return err
	}
	at, ok := s.loop.place(&u)
	if !ok {
		return nil
	}
	if !s.pace.wait(at, s.done) {
		return net.ErrClosed
	}
	s.buf = flv.AppendTag(s.buf[:0], t.Type, uint32(at.Milliseconds()), t.Payload)
	s.out, s.sent = s.buf, 0
	return nil
}

func (s *fileStream) Close() error {
	var err error
	s.once.Do(func() {
		close(s.done)
		s.mu.Lock()
		defer s.mu.Unlock()
		err = s.file.Close()
	})
	return err
}
