// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Set is several pipelines by name, each of which runs at most once. The jobs are
// fixed; each can be started and stopped.
type Set struct {
	o      Options
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	order  []string

	mu      sync.Mutex // guards entries' fields and closed; nothing blocks under it
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
		if j.Name == "" {
			j.Name = j.Pipeline.Name
		}
		if s.entries[j.Name] != nil {
			return nil, fmt.Errorf("pipeline %s is there twice", j.Name)
		}
		if err := j.Check(); err != nil {
			return nil, fmt.Errorf("pipeline %s: %w", j.Name, err)
		}
		s.entries[j.Name] = &entry{job: j, last: j.status()}
		s.order = append(s.order, j.Name)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Begin starts those that always run.
func (s *Set) Begin() {
	for _, name := range s.order {
		if s.entries[name].job.Always {
			s.Start(name) // a fault is in its status
		}
	}
}

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
	e, err := s.find(name)
	switch {
	case err != nil:
		return err
	case s.closed:
		return errors.New("the service ends")
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
