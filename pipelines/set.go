// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Set is several pipelines by name, each of which runs at most once. Each can be
// started and stopped, and jobs can come, change and go.
type Set struct {
	o      Options
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	change sync.Mutex // held while a job is put or removed

	mu      sync.Mutex // guards all below; nothing blocks under it
	order   []string
	begun   bool
	entries map[string]*entry
	closed  bool
}

type entry struct {
	job  Job
	last Status  // before it ever ran
	run  *Runner // nil: it never ran
	stop context.CancelFunc
	done chan struct{} // closed when run has ended
}

// NewSet checks the jobs; an error names the job. Those that always run are begun by
// Begin.
func NewSet(jobs []Job, o Options) (*Set, error) {
	s := &Set{o: o.withDefaults(), entries: map[string]*entry{}}
	for _, j := range jobs {
		e, err := newEntry(j)
		if err != nil {
			return nil, err
		}
		if s.entries[e.job.Name] != nil {
			return nil, fmt.Errorf("pipeline %s is there twice", e.job.Name)
		}
		s.entries[e.job.Name] = e
		s.order = append(s.order, e.job.Name)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

func newEntry(j Job) (*entry, error) {
	if j.Name == "" {
		j.Name = j.Pipeline.Name
	}
	if err := j.Check(); err != nil {
		return nil, fmt.Errorf("pipeline %s: %w", j.Name, err)
	}
	return &entry{job: j, last: j.status()}, nil
}

// Begin starts those that always run.
func (s *Set) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = true
	for _, name := range s.order {
		if s.entries[name].job.Always {
			s.start(name) // a fault is in its status
		}
	}
}

// Put adds a job, or puts it in the place of the one of its name, which is stopped
// first. One that always runs is begun, and one that ran is again.
func (s *Set) Put(j Job) error {
	s.change.Lock()
	defer s.change.Unlock()
	e, err := newEntry(j)
	if err != nil {
		return err
	}
	name := e.job.Name
	old, again := s.halt(name)
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.entries[name] = e
	if old == nil {
		s.order = append(s.order, name)
	}
	if again || e.job.Always && s.begun {
		return s.start(name)
	}
	return nil
}

// Remove stops a pipeline and forgets it.
func (s *Set) Remove(name string) error {
	s.change.Lock()
	defer s.change.Unlock()
	old, _ := s.halt(name)
	defer s.mu.Unlock()
	if old == nil {
		_, err := s.find(name)
		return err
	}
	delete(s.entries, name)
	s.order = slices.DeleteFunc(s.order, func(n string) bool { return n == name })
	return nil
}

// halt stops the pipeline of a name, which may take two seconds, and leaves s.mu locked:
// nobody can start it again before the caller has done with it. ran says that it ran;
// e is nil where there is none.
func (s *Set) halt(name string) (e *entry, ran bool) {
	for {
		s.mu.Lock()
		e = s.entries[name]
		if e == nil || !e.running() {
			return e, ran
		}
		stop, done := e.stop, e.done
		s.mu.Unlock()
		ran = true
		stop()
		<-done
	}
}

var errClosed = errors.New("the service ends")

// RunError says why a pipeline of a Set cannot be started, stopped or shown.
type RunError struct {
	Code int // X-P2P (reference/xp2p.md §2)
	Say  string
}

func (e *RunError) Error() string { return e.Say }
func (e *RunError) XP2PCode() int { return e.Code }

func (s *Set) find(name string) (*entry, error) {
	if e := s.entries[name]; e != nil {
		return e, nil
	}
	return nil, &RunError{-2403, fmt.Sprintf("there is no pipeline %q in the configuration", name)}
}

// Start begins to run a pipeline. One that runs or waits is an error; one that has
// failed or was stopped begins anew.
func (s *Set) Start(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.start(name)
}

func (s *Set) start(name string) error {
	e, err := s.find(name)
	switch {
	case err != nil:
		return err
	case s.closed:
		return errClosed
	case e.running():
		return &RunError{-2401, fmt.Sprintf("pipeline %s runs already", name)}
	}
	run, err := NewRunner(e.job, s.o)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(s.ctx)
	done := make(chan struct{})
	e.run, e.stop, e.done = run, stop, done
	go func() {
		defer close(done)
		defer stop()
		run.Run(ctx) // how it ended is in its status
	}()
	return nil
}

// running says that its runner has not ended.
func (e *entry) running() bool {
	if e.done == nil {
		return false
	}
	select {
	case <-e.done:
		return false
	default:
		return true
	}
}

// Stop stops a pipeline and waits for it, which takes up to two seconds; one that does
// not run is no error. ctx bounds the wait.
func (s *Set) Stop(ctx context.Context, name string) error {
	s.mu.Lock()
	e, err := s.find(name)
	if err != nil || e.done == nil {
		s.mu.Unlock()
		return err
	}
	stop, done := e.stop, e.done
	s.mu.Unlock()
	stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Status of one pipeline.
func (s *Set) Status(name string) (Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.find(name)
	if err != nil {
		return Status{}, err
	}
	return e.status(), nil
}

func (e *entry) status() Status {
	if e.run == nil {
		return e.last
	}
	return e.run.Status()
}

// All is the status of every pipeline, in the order in which they were given.
func (s *Set) All() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Status{} // [], not null
	for _, name := range s.order {
		list = append(list, s.entries[name].status())
	}
	return list
}

// Pipeline is what a name of the set runs.
func (s *Set) Pipeline(name string) (*Pipeline, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.find(name)
	if err != nil {
		return nil, err
	}
	return e.job.Pipeline, nil
}

// Close stops all of them, side by side, and waits; more than once is no error.
func (s *Set) Close() error {
	s.mu.Lock()
	s.closed = true
	var running []chan struct{}
	for _, e := range s.entries {
		if e.done != nil {
			running = append(running, e.done)
		}
	}
	s.mu.Unlock()
	s.cancel()
	for _, done := range running {
		<-done
	}
	return nil
}
