// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// VoiceRequest says where to talk.
type VoiceRequest struct {
	Channel int
	// Video: the FLV will have pictures too, a video call. It matters for WriteUnit
	// alone, which writes the header.
	Video bool
	// Params are further parameters ("requester=…&user_args=…"); empty: none.
	Params string
}

// Voice is talkback under way. What is said goes in as FLV, by Write or by WriteUnit
// but not both, from one goroutine and in real time: the camera plays it as it comes,
// and takes the line from who is silent for 5 s. Close and Abort may be called from any
// goroutine.
type Voice struct {
	s      *Service
	format AudioFormat
	body   *io.PipeWriter
	header bool // WriteUnit's: it is written
	flv    *flv.Writer
	video  bool
	cancel context.CancelFunc

	done      chan struct{} // closed when the camera's answer has ended
	closeOnce sync.Once
	closeErr  error

	mu     sync.Mutex
	state  voiceState
	reason error // why the answer ended before its time
}

type voiceState int

const (
	voiceStarting voiceState = iota
	voiceTalking
	voiceFinishing // all is said; the camera may end the answer
	voiceAborted
)

const (
	// voiceDrain is how long Close waits for the camera to play what it has.
	voiceDrain = 10 * time.Second
	// voiceReason is how long a failed write waits for the camera to say why.
	voiceReason = time.Second
)

// StartVoice begins to talk: the original's startVoiceService. A service has one voice,
// a camera one talker. ctx bounds the call, not the voice. Errors have the codes
// BadArgument, AlreadyStarted, NoService, NotSupported, VoiceFailed (also the camera's
// no: 405 says that somebody else talks) and those of StartService.
func (s *Service) StartVoice(ctx context.Context, r VoiceRequest) (*Voice, error) {
	const op = "startVoiceService"
	query, err := channelQuery(r.Channel, r.Params)
	if err != nil {
		return nil, &Error{op, BadArgument, err}
	}
	run, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	req, err := http.NewRequestWithContext(run, http.MethodPost, "https://camera/voice?"+query, out)
	if err != nil {
		cancel()
		return nil, &Error{op, BadArgument, fmt.Errorf("voice parameters: %w", err)}
	}
	req.Header.Set("Content-Type", "video/x-flv")
	v := &Voice{s: s, body: in, video: r.Video, cancel: cancel, done: make(chan struct{})}
	v.flv = flv.NewWriter(in, flv.WriteOptions{})
	s.mu.Lock()
	switch {
	case s.closed:
		err = &Error{op, NoService, errServiceClosed}
	case s.voice != nil:
		err = &Error{op, AlreadyStarted, errors.New("this service talks already: stop that first")}
	default:
		s.voice = v
	}
	s.mu.Unlock()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := v.open(ctx, op, req); err != nil {
		out.CloseWithError(err) // frees the sender of the body
		cancel()
		v.detach()
		return nil, err
	}
	return v, nil
}

func (v *Voice) open(ctx context.Context, op string, req *http.Request) error {
	res, err := v.s.ask(ctx, op, VoiceFailed, req, v.cancel)
	if err != nil {
		return err
	}
	if v.format, err = ParseAudioFormat(res.Header.Get("X-Xp2p-Audio")); err != nil {
		res.Body.Close()
		return &Error{op, VoiceFailed, err}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.state == voiceAborted {
		res.Body.Close()
		return &Error{op, NoService, errServiceClosed}
	}
	v.state = voiceTalking
	go v.await(res)
	return nil
}

// await stands by the camera's answer, which lasts as long as the camera listens. Close
// and Abort join it.
func (v *Voice) await(res *http.Response) {
	defer close(v.done)
	_, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxRefusal))
	res.Body.Close()
	v.mu.Lock()
	switch {
	case v.state == voiceAborted:
		v.reason = errVoiceClosed
	case err != nil:
		v.reason = fmt.Errorf("the line broke: %w", broken(err))
	case v.state == voiceTalking:
		v.reason = errors.New("the camera does not listen any more")
	}
	reason := v.reason
	v.mu.Unlock()
	if reason != nil {
		v.body.CloseWithError(reason)
		v.cancel()
	}
}

var errVoiceClosed = fmt.Errorf("voice: %w", net.ErrClosed)

// Format is the sound that the camera's speaker takes: what Write and WriteUnit must bring.
func (v *Voice) Format() AudioFormat { return v.format }

// Done is closed when the camera does not listen any more, for whatever reason.
func (v *Voice) Done() <-chan struct{} { return v.done }

// Err says why the camera does not listen any more: nil while it does and after an end in
// order, else what Write would give.
func (v *Voice) Err() error {
	select {
	case <-v.done:
	default:
		return nil
	}
	v.mu.Lock()
	reason := v.reason
	v.mu.Unlock()
	if reason == nil {
		return nil
	}
	return v.failure()
}

// Write says b, a piece of an FLV stream that begins with its header. It blocks while the
// camera is behind. Its error is an *Error of code VoiceFailed when the camera or the
// line ended it, and wraps net.ErrClosed after Close.
func (v *Voice) Write(b []byte) (int, error) {
	n, err := v.body.Write(b)
	if err != nil {
		err = v.failure()
	}
	return n, err
}

// WriteUnit says one unit, with the FLV header before the first. Besides Write's errors
// there are those of flv.Writer, for units that FLV cannot carry.
func (v *Voice) WriteUnit(u *demux.Unit) error {
	if !v.header {
		v.header = true
		if err := v.flv.WriteHeader(v.video, true); err != nil {
			return v.failure()
		}
	}
	err := v.flv.WriteUnit(u)
	if err != nil && (errors.Is(err, io.ErrClosedPipe) || v.ended()) {
		return v.failure()
	}
	return err
}

func (v *Voice) ended() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.state != voiceTalking || v.reason != nil
}

// failure says why the camera takes no more.
func (v *Voice) failure() error {
	v.mu.Lock()
	ours := v.state != voiceTalking
	v.mu.Unlock()
	if ours {
		return errVoiceClosed
	}
	// The sender of the body may notice before the answer has ended.
	t := time.NewTimer(voiceReason)
	defer t.Stop()
	select {
	case <-v.done:
	case <-t.C:
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.reason == nil:
		return &Error{"startVoiceService", VoiceFailed, errors.New("the camera does not listen any more")}
	case errors.Is(v.reason, net.ErrClosed):
		return v.reason
	}
	return &Error{"startVoiceService", VoiceFailed, v.reason}
}

// Close says that all is said and waits until the camera has played it, at most 10 s: the
// original's stopVoiceService. Its error, of code VoiceFailed, says that the camera did
// not take everything; a second call returns the same.
func (v *Voice) Close() error {
	v.closeOnce.Do(func() {
		v.mu.Lock()
		if v.state == voiceTalking {
			v.state = voiceFinishing
		}
		v.mu.Unlock()
		v.body.Close()
		t := time.NewTimer(voiceDrain)
		defer t.Stop()
		select {
		case <-v.done:
		case <-t.C:
			v.fail(fmt.Errorf("the camera did not finish within %s", voiceDrain))
		}
		v.cancel()
		<-v.done
		v.detach()
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.reason != nil && v.state != voiceAborted {
			v.closeErr = &Error{"stopVoiceService", VoiceFailed, v.reason}
		}
	})
	return v.closeErr
}

func (v *Voice) fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.reason == nil {
		v.reason = err
	}
}

// Abort stops talking at once; what the camera has not played may be lost.
func (v *Voice) Abort() {
	v.mu.Lock()
	talked := v.state != voiceStarting
	v.state = voiceAborted
	v.mu.Unlock()
	v.body.CloseWithError(errVoiceClosed)
	v.cancel()
	if talked {
		<-v.done
	}
	v.detach()
}

func (v *Voice) detach() {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	if v.s.voice == v {
		v.s.voice = nil
	}
}

// StopVoice ends the service's voice, if it has one, as Voice.Close does.
func (s *Service) StopVoice() error {
	s.mu.Lock()
	v := s.voice
	s.mu.Unlock()
	if v == nil {
		return nil
	}
	return v.Close()
}
