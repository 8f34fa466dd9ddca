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
	mu     sync.Mutex
	rx     *receiver.Receiver // nil: stopped
	ctx    context.Context    // of the waits; ended by interrupt
	cancel context.CancelFunc
}

// begin puts a receiver in place.
func (s *state) begin(rx *receiver.Receiver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rx = rx
	s.ctx, s.cancel = context.WithCancel(context.Background())
}

// end takes the receiver out.
func (s *state) end() *receiver.Receiver {
	s.mu.Lock()
	defer s.mu.Unlock()
	rx := s.rx
	s.rx = nil
	if s.cancel != nil {
		s.cancel()
	}
	return rx
}

// interrupt ends the wait under way and those to come until resume.
func (s *state) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
}

// resume allows waits again.
func (s *state) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx != nil && s.ctx.Err() != nil {
		s.ctx, s.cancel = context.WithCancel(context.Background())
	}
}

// running gives the receiver, nil when stopped, and the context of its waits.
func (s *state) running() (*receiver.Receiver, context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rx, s.ctx
}
