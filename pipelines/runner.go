// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/xp2p/xp2p/internal/backoff"
)

// Runner runs one job, once.
type Runner struct {
	job    Job
	o      Options
	redact func(string) string

	mu     sync.Mutex // guards status
	status Status
}

// NewRunner checks a job; nothing runs yet.
func NewRunner(j Job, o Options) (*Runner, error) {
	if j.Name == "" {
		j.Name = j.Pipeline.Name
	}
	if err := j.Check(); err != nil {
		return nil, err
	}
	return &Runner{job: j, o: o.withDefaults(), redact: redactor(j.secrets()), status: j.status()}, nil
}

// Status is how it stands now.
func (r *Runner) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// Run runs the pipeline until ctx ends, which stops it within two seconds and is no
// error, or until it has come to its end. An error is why it ended and was not, or
// not again, begun anew.
func (r *Runner) Run(ctx context.Context) error {
	b := backoff.Backoff{First: r.o.Timing.RetryFirst, Most: r.o.Timing.RetryMost}
	for failures := 0; ; {
		began := time.Now()
		played, err := r.attempt(ctx)
		if ctx.Err() != nil {
			r.enter(StateStopped, nil, time.Time{})
			return nil
		}
		if err == nil && !r.job.Always {
			r.enter(StateStopped, nil, time.Time{})
			return nil
		}
		if played && time.Since(began) > r.o.Timing.Settled {
			failures = 0
			b.Reset()
		}
		failures++
		if r.final(err, failures) {
			r.enter(StateFailed, err, time.Time{})
			return err
		}
		if err == nil {
			err = errEnded
		}
		pause := b.Pause()
		r.o.Logger.Warn("pipeline ended", "pipeline", r.job.Name, "error", err, "retry", pause.Round(time.Millisecond))
		r.enter(StateWaiting, err, time.Now().Add(pause))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// errEnded is why a pipeline that always runs begins again.
var errEnded = errors.New("the stream ended")

// final says that another attempt would be the same, or that there were enough.
func (r *Runner) final(err error, failures int) bool {
	var line *LineError
	var param *ParamError
	if errors.As(err, &line) || errors.As(err, &param) {
		return true
	}
	return !r.job.Always && r.job.Retries >= 0 && failures > r.job.Retries
}

// enter changes the state and says so.
func (r *Runner) enter(s State, err error, retry time.Time) {
	r.mu.Lock()
	st := &r.status
	st.State, st.Since, st.Retry = s, time.Now(), retry
	if s != StatePlaying {
		st.PID = 0
	}
	if err != nil {
		st.Error, st.Code, st.ErrorAt = err.Error(), codeOf(err), time.Now()
	}
	told := *st
	r.mu.Unlock()
	r.o.Events(Event{Time: time.Now(), Pipeline: r.job.Name, Type: "state", Status: &told})
}

func (r *Runner) moved(m Motion) {
	r.o.Events(Event{Time: time.Now(), Pipeline: r.job.Name, Type: "motion", Motion: &m, Cameras: r.job.status().Cameras})
}

// attempt runs one process from its cameras to its end. nil: it came to its end in
// good order.
func (r *Runner) attempt(ctx context.Context) (played bool, err error) {
	r.enter(StateStarting, nil, time.Time{})
	if err := r.job.makeDirs(); err != nil {
		return false, err
	}
	feeds, err := r.open(ctx)
	if err != nil {
		return false, err
	}
	p, err := r.start(feeds)
	if err != nil {
		for _, f := range feeds {
			f.Close()
		}
		return false, err
	}
	err = r.watch(ctx, p)
	p.join()
	return p.played(), err
}

// watch waits for the process to end and makes it end when it must.
func (r *Runner) watch(ctx context.Context, p *process) error {
	t := r.o.Timing
	start := time.NewTimer(t.Start)
	defer start.Stop()
	drain := time.NewTimer(t.Drain)
	drain.Stop()
	defer drain.Stop()
	playing, fed := p.playing, p.fed
	for {
		select {
		case <-p.Exited():
			if playing != nil && p.played() { // and was over before this was looked at
				r.enter(StatePlaying, nil, time.Time{})
			}
			return p.result()
		case <-playing:
			playing = nil
			start.Stop()
			r.enter(StatePlaying, nil, time.Time{})
		case <-fed:
			// With one camera gone the others are of no use; with all of them gone it
			// comes to its end.
			fed = nil
			p.closeFeeds()
			drain.Reset(t.Drain)
		case <-drain.C:
			p.stop(t)
			return p.broken() // what can be lost is what was not written within that time
		case <-start.C:
			err := r.silent(p) // before it says how it ends
			p.stop(t)
			return err
		case <-ctx.Done():
			p.stop(t)
			return context.Cause(ctx)
		}
	}
}

// silent is the error of a process that does not begin to play.
func (r *Runner) silent(p *process) error {
	why := "it did not begin to play within " + r.o.Timing.Start.String()
	if len(r.job.Sources) > 0 {
		why += ": either the camera sends no picture, or the line wants something that it does not send, such as sound"
		if sound := r.job.Pipeline.Param("sound"); sound != nil {
			why += " (try sound=none)"
		}
	}
	if said, _ := p.monitor.said(); said != "" {
		why += ": " + r.redact(said)
	}
	return errors.New(why)
}

// describe names a camera in an error.
func describe(s Source) string {
	if s.Name == "" {
		return "source"
	}
	return fmt.Sprintf("camera %s", s.Name)
}

func cutEnv(e string) (name, value string, ok bool) { return strings.Cut(e, "=") }
