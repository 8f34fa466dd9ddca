// SPDX-License-Identifier: LGPL-2.1-or-later

package speaker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/device"
)

// maxTalk bounds the file of one talk: eight hours of G.711, or some of a video call.
const maxTalk = 256 << 20

var errTooLong = fmt.Errorf("a talk of more than %d MiB is not kept", maxTalk>>20)

// file writes each talk as an FLV file in the place of the last one.
type file struct {
	sound device.Sound
	path  string
}

func (f *file) Sound() device.Sound { return f.sound }

func (f *file) Open(context.Context) (device.Talk, error) {
	out, err := os.Create(f.path)
	if err != nil {
		return nil, err
	}
	return newFLVTalk(&limited{out, maxTalk}, out.Close)
}

// limited writes at most left bytes.
type limited struct {
	w    io.Writer
	left int64
}

func (l *limited) Write(p []byte) (int, error) {
	if int64(len(p)) > l.left {
		return 0, errTooLong
	}
	n, err := l.w.Write(p)
	l.left -= int64(n)
	return n, err
}

// flvTalk writes a talk as FLV.
type flvTalk struct {
	w     *flv.Writer
	close func() error
}

func newFLVTalk(w io.Writer, close func() error) (*flvTalk, error) {
	t := &flvTalk{flv.NewWriter(w, flv.WriteOptions{}), close}
	if err := t.w.WriteHeader(true, true); err != nil {
		return nil, errors.Join(err, close())
	}
	return t, nil
}

func (t *flvTalk) Play(u *demux.Unit) error { return t.w.WriteUnit(u) }
func (t *flvTalk) Close() error             { return t.close() }

// deadlineWriter gives every write the same time.
type deadlineWriter struct{ f *os.File }

func (d deadlineWriter) Write(p []byte) (int, error) {
	if err := d.f.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	n, err := d.f.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("nothing was taken for %v", patience)
	}
	return n, err
}

// wav writes each talk as a WAV file (RIFF) in the place of the last one.
type wav struct {
	sound device.Sound
	path  string
}

func (w *wav) Sound() device.Sound { return w.sound }

func (w *wav) Open(context.Context) (device.Talk, error) {
	out, err := os.Create(w.path)
	if err != nil {
		return nil, err
	}
	t := &wavTalk{sound: w.sound, out: out, b: bufio.NewWriter(out)}
	if _, err := t.b.Write(wavHeader(w.sound, 0)); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return t, nil
}

type wavTalk struct {
	sound device.Sound
	out   *os.File
	b     *bufio.Writer
	bytes int64 // of samples
}

func (t *wavTalk) Play(u *demux.Unit) error {
	if u.Kind != demux.Audio {
		return nil
	}
	if t.bytes+int64(len(u.Data)) > maxTalk {
		return errTooLong
	}
	n, err := t.b.Write(u.Data)
	t.bytes += int64(n)
	return err
}

// Close writes the sizes, which are known now, into the header.
func (t *wavTalk) Close() error {
	err := t.b.Flush()
	if t.bytes%2 == 1 && err == nil { // chunks are padded to even sizes
		_, err = t.out.Write([]byte{0})
	}
	if err == nil {
		_, err = t.out.WriteAt(wavHeader(t.sound, uint32(t.bytes)), 0)
	}
	return errors.Join(err, t.out.Close())
}
