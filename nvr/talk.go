// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/talk"
	"github.com/xp2p/xp2p/session"
)

// TalkRequest is something to say to a camera.
type TalkRequest struct {
	Camera  string
	Channel int // of the camera, where it is an NVR itself
	// Input is WAV, FLV, or bare samples if Format says which: "s16le", "alaw", "mulaw".
	// Talk closes it, at the latest when the camera or ctx ends the talk, which must end
	// a Read that waits.
	Input    io.ReadCloser
	Name     string // of the input, for errors
	Format   string
	Rate     int // Hz; 0: 8000
	Channels int // 0: 1
}

// TalkResult is what was said.
type TalkResult struct {
	Seconds float64 `json:"seconds"`
	Bytes   int     `json:"bytes"`  // of coded sound
	Format  string  `json:"format"` // as the camera wanted it
}

// Voice is talkback under way: a session.Voice.
type Voice interface {
	Format() session.AudioFormat
	WriteUnit(*demux.Unit) error
	Done() <-chan struct{}
	Err() error
	Close() error
}

// Talk says r's input through a camera's speaker, in real time, and returns when the
// camera has played it. When ctx ends it breaks off. Over the connection that records
// the camera; one that is idle is connected for it.
func (n *NVR) Talk(ctx context.Context, r TalkRequest) (TalkResult, error) {
	const op = "startVoiceService"
	defer r.Input.Close()
	var result TalkResult
	bad := func(err error) error { return &session.Error{Op: op, Code: session.BadArgument, Err: err} }
	c, err := n.find(op, r.Camera)
	if err != nil {
		return result, err
	}
	o := talk.Options{Name: r.Name}
	if r.Format != "" {
		if r.Rate == 0 {
			r.Rate = 8000
		}
		if r.Channels == 0 {
			r.Channels = 1
		}
		if o.Raw, err = talk.RawFormat(r.Format, r.Rate, r.Channels); err != nil {
			return result, bad(err)
		}
	}
	v, err := c.source.voice(ctx, session.VoiceRequest{Channel: r.Channel}, c.idle())
	if err != nil {
		return result, err
	}
	result.Format = v.Format().String()
	// The line's end ends the wait for the next unit, too.
	say, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-v.Done():
			cancel(v.Err())
		case <-say.Done():
		}
		r.Input.Close()
	}()
	src, err := talk.Open(r.Input, talk.Format(v.Format()), o)
	if err != nil {
		err = bad(err)
	} else {
		var last time.Duration
		err = talk.Say(say, src, func(u *demux.Unit) error {
			result.Bytes += len(u.Data)
			last = max(last, u.DTS)
			return v.WriteUnit(u)
		})
		result.Seconds = last.Seconds()
		if say.Err() != nil { // not what reading a closed input says
			err = context.Cause(say)
		}
		var format *talk.FormatError
		if errors.As(err, &format) {
			err = bad(err)
		}
	}
	if e := v.Close(); err == nil {
		err = e
	}
	cancel(nil)
	<-ended
	return result, err
}
