// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

/*
#include "source.h"
*/
import "C"

import (
	"context"
	"sync"
	"unsafe"

	"github.com/go-gst/go-glib/glib"
	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/gstsrc/internal/timeline"
)

// source is the Go side of one element. Settings and state have a lock each, and
// neither is held while anything waits.
type source struct {
	settings settings
	state    state
}

// New is called by go-glib for each instance.
func (*source) New() glib.GoObjectSubclass {
	return &source{settings: settings{v: defaults()}}
}

// ClassInit is called by go-glib; source.c does the work.
func (*source) ClassInit(*glib.ObjectClass) {}

// InstanceInit is called by go-glib.
func (*source) InstanceInit(o *glib.Object) { C.xp2p_src_instance_init(C.gpointer(o.Unsafe())) }

// of is the Go side of an element.
func of(element unsafe.Pointer) *source {
	return glib.FromObjectUnsafePrivate(element).(*source)
}

// state is what exists between start and stop.
type state struct {
	mu       sync.Mutex
	rx       *receiver.Receiver // nil: stopped
	live     bool               // it waits for no camera while it is paused
	paused   bool
	unlocked bool // in the base class's word: nothing may wait
	ctx      context.Context
	cancel   context.CancelFunc // ends the waits; nil: ended

	progress *progress // of the receiver

	// line is a playback's. The streaming thread has it, and a seek, while that
	// does not run.
	line *timeline.Line
}

// begin puts a receiver in place.
func (s *state) begin(rx *receiver.Receiver, live bool, line *timeline.Line) {
	s.change(func() { s.rx, s.live, s.line, s.paused = rx, live, line, false })
}

// end takes the receiver out.
func (s *state) end() (rx *receiver.Receiver) {
	s.change(func() { rx, s.rx = s.rx, nil })
	return rx
}

// pause says whether the element is paused. A live one waits for no camera then.
func (s *state) pause(on bool) {
	s.change(func() { s.paused = on && s.live })
	if rx, _ := s.running(); rx != nil {
		rx.Pause(on)
	}
}

// unlock says whether nothing may wait, whatever the element's state.
func (s *state) unlock(on bool) { s.change(func() { s.unlocked = on }) }

// change makes a change, then ends the waits or allows them anew.
func (s *state) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	switch wait := s.rx != nil && !s.paused && !s.unlocked; {
	case wait && s.cancel == nil:
		s.ctx, s.cancel = context.WithCancel(context.Background())
	case !wait && s.cancel != nil:
		s.cancel()
		s.cancel = nil
	}
}

// running gives the receiver, nil when stopped, and the context of its waits.
func (s *state) running() (*receiver.Receiver, context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rx, s.ctx
}

// flushing says that a wait was ended for more than a pause.
func (s *state) flushing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unlocked || s.rx == nil
}
