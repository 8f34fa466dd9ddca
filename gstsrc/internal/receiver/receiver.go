// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/xp2p/xp2p/session"
)

// Receiver receives one stream of one camera. Next is for one goroutine; Stats,
// Size, Pause, Reset, ForceKeyFrame and Command are for any. Close is for when no
// call of Next is under way.
type Receiver struct {
	dialer Dialer
	opts   Options
	events gate
	joiner joiner
	stats  counters
	life   context.Context // of commands; ends with Close
	end    context.CancelFunc

	commands commands
	breaker  breaker
	pausing  pausing
	at       place

	link     Link
	stream   *stream
	ending   chan struct{} // closed when the stream before is; nil: none
	failures int           // attempts that failed in a row
	fatal    error

	background sync.WaitGroup // closing and abandoned calls
}

// New makes a Receiver; the first Next connects.
func New(d Dialer, o Options) *Receiver {
	r := &Receiver{dialer: d, opts: o, events: gate{to: o.Events}, at: place{wall: o.Start, speed: 1}}
	r.life, r.end = context.WithCancel(context.Background())
	if o.Mode == Download {
		r.joiner = newRaw(&r.at)
		r.at.offset, _ = strconv.ParseInt(param(o.Params, "offset", "0"), 10, 64)
	} else {
		r.joiner = newSplicer()
	}
	return r
}

// Mode is that of the options.
func (r *Receiver) Mode() Mode { return r.opts.Mode }

// Next gives the next chunk, and connects and waits as needed. The end of the
// camera's stream is io.EOF; a receiver that cannot go on gives an *Error, from
// then on always the same.
//
// When ctx ends, Next returns its error at once and the stream is given up, but
// the link is kept: the next Next asks for the stream anew on it. So a viewer
// who pauses costs the camera no traffic and sees the present when resuming.
func (r *Receiver) Next(ctx context.Context) (Chunk, error) {
	for {
		if err := ctx.Err(); err != nil {
			r.dropStream()
			return Chunk{}, err
		}
		if r.fatal != nil {
			return Chunk{}, r.fatal
		}
		if r.stream != nil && r.stream.interrupted() {
			r.dropStream()
		}
		if r.stream == nil && r.over() {
			r.fatal = io.EOF
			continue
		}
		if r.stream == nil {
			if err := r.open(ctx); err != nil {
				continue // ctx has ended, or fatal is set
			}
		}
		if c, ok := r.joiner.next(); ok {
			r.stats.deliver(c.Size, r.joiner.damage())
			r.moved(&c)
			return c, nil
		}
		if err := r.fill(); err != nil {
			r.broken(ctx, err)
		}
	}
}

// open connects until a stream runs, ctx ends or trying again is of no use.
func (r *Receiver) open(ctx context.Context) error {
	for {
		reused := r.link != nil
		err := r.attempt(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return err
		case r.breaker.take():
			r.dropLink()
			r.failures = 0
			continue
		case reused:
			// The link was kept over a pause and has died meanwhile: no failure of
			// the camera's, so try once at once on a new one.
			r.dropLink()
			continue
		}
		if err := r.wait(ctx, Opening, err); err != nil {
			return err
		}
	}
}

// attempt is one try to get a stream, on the link there is or on a new one.
func (r *Receiver) attempt(ctx context.Context) error {
	try, cancel := r.bounded(ctx)
	defer cancel()
	r.breaker.set(cancel)
	err := r.begun(ctx, try)
	if err != nil {
		r.breaker.set(nil)
		return r.explain(ctx, try, err)
	}
	s := r.stream
	r.breaker.set(func() { r.background.Go(s.shut) })
	return nil
}

// begun makes the link there is or a new one carry the stream. ctx is for the
// stream, try for the attempt.
func (r *Receiver) begun(ctx, try context.Context) error {
	if r.link == nil {
		l, err := r.await(try, func() (io.Closer, error) { return r.dialer.Dial(try, r.events.emit) })
		if err != nil {
			return err
		}
		r.link, r.ending = l.(Link), nil
		r.stats.connect(r.link)
	}
	if err := r.ended(try); err != nil {
		return err
	}
	link, query := r.link, r.request()
	s, err := r.await(try, func() (io.Closer, error) { return link.Stream(try, query) })
	if err != nil {
		return err
	}
	r.stream = newStream(ctx, s.(io.ReadCloser), r.opts.Timeout)
	r.joiner.connect()
	r.stats.begin(s)
	r.opened()
	return nil
}

func (r *Receiver) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.opts.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, r.opts.Timeout)
}

// explain names the time-out where it was ours that ended the attempt.
func (r *Receiver) explain(ctx, try context.Context, err error) error {
	if ctx.Err() == nil && errors.Is(try.Err(), context.DeadlineExceeded) {
		if _, coded := session.CodeOf(err); !coded {
			return &TimeoutError{After: r.opts.Timeout}
		}
	}
	return err
}

// fill reads once into the splicer.
func (r *Receiver) fill() error {
	room := r.joiner.space()
	r.asking(true)
	n, err := r.stream.read(room)
	r.asking(false)
	if n > 0 {
		r.failures = 0
		r.joiner.filled(room[:n])
		return nil // an error comes again with the next read
	}
	if err == nil {
		return nil
	}
	return err
}

// broken decides what the end of the running stream means.
func (r *Receiver) broken(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if r.breaker.take() {
		r.dropStream()
		r.dropLink()
		r.failures = 0
		return
	}
	if err == io.EOF {
		r.fatal = io.EOF
		r.dropStream()
		return
	}
	r.dropStream()
	r.dropLink()
	r.wait(ctx, Reading, err)
}

// wait counts a failure and pauses before the next attempt. It returns an error
// when there will be none.
func (r *Receiver) wait(ctx context.Context, phase Phase, err error) error {
	r.dropLink()
	r.failures++
	if !r.opts.again(err, r.failures) {
		r.fatal = &Error{Phase: phase, Attempts: r.failures, Err: err}
		return r.fatal
	}
	delay := r.opts.delay(r.failures)
	code, _ := session.CodeOf(err)
	r.events.emit(session.Event{Kind: session.Notify, Subtype: Reconnecting, Detail: ReconnectDetail{
		Attempt: r.failures, DelayMS: delay.Milliseconds(), Reason: err.Error(), Code: code,
	}})
	r.stats.retry()

	t := time.NewTimer(delay)
	defer t.Stop()
	now := make(chan struct{})
	r.breaker.set(sync.OnceFunc(func() { close(now) }))
	defer r.breaker.set(nil)
	select {
	case <-t.C:
		return nil
	case <-now:
		r.breaker.take()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dropStream gives the stream up. Nobody waits for the camera's side of that,
// save the next stream on the same link.
func (r *Receiver) dropStream() {
	if s := r.stream; s != nil {
		r.stream = nil
		r.breaker.set(nil)
		done := make(chan struct{})
		r.ending = done
		r.background.Go(func() {
			s.shut()
			close(done)
		})
	}
}

// ended waits until the stream before is closed: a link carries one at a time.
func (r *Receiver) ended(ctx context.Context) error {
	if r.ending == nil {
		return nil
	}
	select {
	case <-r.ending:
		r.ending = nil
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Receiver) dropLink() {
	if l := r.link; l != nil {
		r.link = nil
		r.stats.disconnect()
		r.background.Go(func() { l.Close() })
	}
}

// Close ends the receiver and gives the camera a moment to hear of it. It
// returns soon, whatever the network does; what hangs is finished behind it.
func (r *Receiver) Close() {
	r.fatal = errClosed
	r.end()
	r.pausing.end()
	r.commands.close()
	r.dropStream()
	r.dropLink()
	done := make(chan struct{})
	go func() {
		r.background.Wait()
		close(done)
	}()
	t := time.NewTimer(closeGrace)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
	r.events.shut()
}
