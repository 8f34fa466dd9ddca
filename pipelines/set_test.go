// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func newSet(t *testing.T, script string, jobs ...Job) *Set {
	t.Helper()
	for i := range jobs {
		jobs[i].Pipeline = parse(t, "fakesrc ! fakesink")
	}
	s, err := NewSet(jobs, Options{Program: program(t, script), Timing: quick})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func stateOf(t *testing.T, s *Set, name string) Status {
	t.Helper()
	st, err := s.Status(name)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestSet(t *testing.T) {
	s := newSet(t, playing+"\n"+forever, Job{Name: "a", Always: true}, Job{Name: "b"})
	s.Begin()
	until(t, "a plays", func() bool { return stateOf(t, s, "a").State == StatePlaying })
	if st := stateOf(t, s, "b"); st.State != StateStopped || st.Starts != 0 || st.Run != "manual" {
		t.Errorf("%+v", st)
	}
	if err := s.Start("a"); codeOf(err) != -2401 {
		t.Errorf("started twice: %v", err)
	}
	for _, f := range []func(string) error{s.Start, func(n string) error { return s.Stop(t.Context(), n) },
		func(n string) error { _, err := s.Status(n); return err }, func(n string) error { _, err := s.Pipeline(n); return err }} {
		if err := f("nobody"); codeOf(err) != -2403 {
			t.Errorf("an unknown name: %v", err)
		}
	}
	if err := s.Stop(t.Context(), "b"); err != nil {
		t.Errorf("stopping what does not run: %v", err)
	}
	pid := stateOf(t, s, "a").PID
	if err := s.Stop(t.Context(), "a"); err != nil || stateOf(t, s, "a").State != StateStopped || !gone(pid) {
		t.Errorf("%v, %+v", err, stateOf(t, s, "a"))
	}
	if err := s.Start("a"); err != nil {
		t.Errorf("started again: %v", err)
	}
	if err := s.Start("b"); err != nil {
		t.Error(err)
	}
	until(t, "both play", func() bool {
		return stateOf(t, s, "a").State == StatePlaying && stateOf(t, s, "b").State == StatePlaying
	})
	var pids []int
	for _, st := range s.All() {
		pids = append(pids, st.PID)
	}
	s.Close()
	for _, pid := range pids {
		if pid == 0 || !gone(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
	if err := s.Start("a"); err == nil {
		t.Error("started after Close")
	}
	s.Close()
}

func TestStopIsBounded(t *testing.T) {
	s := newSet(t, "trap '' INT TERM\n"+playing+"\n"+forever, Job{Name: "a", Always: true})
	s.Begin()
	until(t, "it plays", func() bool { return stateOf(t, s, "a").State == StatePlaying })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	until(t, "it is stopped nevertheless", func() bool { return stateOf(t, s, "a").State == StateStopped })
}

func TestSetMistakes(t *testing.T) {
	p := parse(t, small)
	good := Job{Name: "a", Pipeline: parse(t, "a ! b")}
	for want, jobs := range map[string][]Job{
		"pipeline a is there twice":                {good, good},
		"pipeline b: it needs one camera":          {good, {Name: "b", Pipeline: p, Params: map[string]string{"location": "x"}}},
		"pipeline demo: parameter location: is mi": {{Pipeline: p, Sources: []Source{{Element: "x"}}}},
	} {
		if _, err := NewSet(jobs, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A job that is put in another's place runs in its place; the others run on.
func TestSetChanges(t *testing.T) {
	s := newSet(t, playing+"\n"+forever, Job{Name: "a", Always: true}, Job{Name: "b", Always: true}, Job{Name: "c"})
	job := func(name string, always bool) Job {
		return Job{Name: name, Always: always, Pipeline: parse(t, "videotestsrc ! fakesink")}
	}
	if err := s.Put(job("early", true)); err != nil || stateOf(t, s, "early").Starts != 0 {
		t.Errorf("put before Begin: %v %+v", err, stateOf(t, s, "early"))
	}
	s.Begin()
	for _, name := range []string{"a", "b", "early"} {
		until(t, name+" plays", func() bool { return stateOf(t, s, name).State == StatePlaying })
	}
	a, b := stateOf(t, s, "a").PID, stateOf(t, s, "b").PID
	for _, j := range []Job{job("a", false), job("c", false), job("d", true)} {
		if err := s.Put(j); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "d"} { // a ran: its successor does
		until(t, name+" plays", func() bool { return stateOf(t, s, name).State == StatePlaying })
	}
	if !gone(a) || stateOf(t, s, "a").PID == a {
		t.Error("what a was runs still")
	}
	if got := stateOf(t, s, "b").PID; got != b {
		t.Errorf("b was started anew: %d was %d", got, b)
	}
	if st := stateOf(t, s, "c"); st.State != StateStopped || st.Starts != 0 {
		t.Errorf("c: %+v", st)
	}
	if p, err := s.Pipeline("c"); err != nil || p.Text != "videotestsrc ! fakesink" {
		t.Errorf("c is %v %v", p, err)
	}
	if err := s.Remove("b"); err != nil || !gone(b) {
		t.Errorf("removed: %v", err)
	}
	if err := s.Remove("b"); codeOf(err) != -2403 {
		t.Errorf("removed twice: %v", err)
	}
	names := ""
	for _, st := range s.All() {
		names += st.Name + " "
	}
	if names != "a c early d " {
		t.Errorf("left are %s", names)
	}
	s.Close()
	if err := s.Put(job("late", true)); err == nil {
		t.Error("a closed set took a job")
	}
}
