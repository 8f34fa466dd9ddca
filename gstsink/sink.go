// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

/*
#include "sink.h"
*/
import "C"

import (
	"context"
	"sync"
	"unsafe"

	"github.com/go-gst/go-glib/glib"
	"github.com/xp2p/xp2p/gstsink/internal/talker"
)

// sink is the Go side of one element. Settings and state have a lock each, and neither is
// held while anything waits.
type sink struct {
	settings settings
	state    state
}

// New is called by go-glib for each instance.
func (*sink) New() glib.GoObjectSubclass {
	return &sink{settings: settings{v: values{
		timeout: C.XP2P_SINK_DEFAULT_TIMEOUT, startTimeout: C.XP2P_SINK_DEFAULT_START_TIMEOUT}}}
}

// ClassInit is called by go-glib; sink.c does the work.
func (*sink) ClassInit(*glib.ObjectClass) {}

// of is the Go side of an element.
func of(element unsafe.Pointer) *sink {
	return glib.FromObjectUnsafePrivate(element).(*sink)
}

// state is what exists between READY and PAUSED, on the way up and down.
type state struct {
	mu     sync.Mutex
	talker *talker.Talker // nil: READY or NULL
	ctx    context.Context
	cancel context.CancelFunc // ends the waits
	video  bool               // there is a pad for pictures; in any state
	failed bool               // that was said
}

// begin puts a talker in place.
func (s *state) begin(t *talker.Talker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.talker, s.failed = t, false
	t.OpenPictures(s.video)
	s.ctx, s.cancel = context.WithCancel(context.Background())
}

// end takes the talker out.
func (s *state) end() *talker.Talker {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.talker
	s.talker = nil
	if s.cancel != nil {
		s.cancel()
	}
	return t
}

// unlock says whether nothing may wait, in the base class's word.
func (s *state) unlock(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.talker == nil {
		return
	}
	s.cancel()
	s.talker.Interrupt(on)
	if !on {
		s.ctx, s.cancel = context.WithCancel(context.Background())
	}
}

// pictures says whether there is a pad for pictures.
func (s *state) pictures(open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.video = open
	if s.talker != nil {
		s.talker.OpenPictures(open)
	}
}

// fail says whether this is the first failure: sound and pictures both hear of one.
func (s *state) fail() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.failed
	s.failed = true
	return first
}

// running gives the talker, nil when there is none, and the context of its waits.
func (s *state) running() (*talker.Talker, context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.talker, s.ctx
}
