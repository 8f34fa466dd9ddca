// SPDX-License-Identifier: LGPL-2.1-or-later

package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/session"
)

type talkParams struct {
	Camera  string `json:"camera"`
	Channel int    `json:"channel"`
	File    string `json:"file"`
	Data    []byte `json:"data"` // base64 in JSON
	// Format of sound without a header: "s16le", "alaw" or "mulaw"; empty: the file is
	// WAV or FLV.
	Format   string `json:"format"`
	Rate     int    `json:"rate"`     // Hz; 0: 8000
	Channels int    `json:"channels"` // 0: 1
}

// talkPlay says a file, a FIFO or what is in data. The answer comes when all is said;
// who ends the connection ends it.
func (s *Server) talkPlay(ctx context.Context, p talkParams) (nvr.TalkResult, error) {
	bad := func(err error) (nvr.TalkResult, error) {
		return nvr.TalkResult{}, &session.Error{Op: "talk.play", Code: session.BadArgument, Err: err}
	}
	r := nvr.TalkRequest{Camera: p.Camera, Channel: p.Channel, Format: p.Format, Rate: p.Rate, Channels: p.Channels}
	switch {
	case (p.File == "") == (len(p.Data) == 0):
		return bad(errors.New("needs file, or data as base64"))
	case p.File != "" && !filepath.IsAbs(p.File):
		return bad(errors.New("file must be an absolute path: it is the recorder that reads it"))
	case p.File == "":
		r.Name, r.Input = "data", io.NopCloser(bytes.NewReader(p.Data))
	default:
		f, err := openSound(ctx, p.File)
		if err != nil {
			return bad(err)
		}
		r.Name, r.Input = p.File, f
	}
	return s.cfg.Cameras.Talk(ctx, r)
}

// openSound opens a file, or a FIFO, for which it waits until somebody writes to it. When
// ctx ends the wait and every read end too.
func openSound(ctx context.Context, path string) (io.ReadCloser, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case st.Mode().IsRegular():
		return os.Open(path)
	case st.Mode().Type() != os.ModeNamedPipe:
		return nil, fmt.Errorf("%s is neither a file nor a FIFO", path)
	}
	type result struct {
		f   *os.File
		err error
	}
	opened := make(chan result, 1)
	go func() {
		f, err := os.Open(path) // until there is a writer
		opened <- result{f, err}
	}()
	var r result
	select {
	case r = <-opened:
	case <-ctx.Done():
		r = <-wakeFIFO(path, opened)
		if r.err == nil {
			r.f.Close()
		}
		return nil, context.Cause(ctx)
	}
	if r.err != nil {
		return nil, r.err
	}
	return &fifo{r.f, context.AfterFunc(ctx, func() { r.f.Close() })}, nil
}

// wakeFIFO ends an open that waits for a writer: by being one.
func wakeFIFO[T any](path string, opened chan T) chan T {
	for len(opened) == 0 {
		if w, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			w.Close()
		}
		time.Sleep(time.Millisecond) // it may not be in its open yet
	}
	return opened
}

// fifo is closed when its context ends.
type fifo struct {
	*os.File
	stop func() bool
}

func (f *fifo) Close() error {
	f.stop()
	return f.File.Close()
}
