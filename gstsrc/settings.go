// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

/*
#include "source.h"
*/
import "C"

import (
	"sync"
	"time"

	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/internal/gst/target"
)

// values are the element's properties.
type values struct {
	target.Properties
	reconnect  bool
	retries    int64
	retryDelay int64 // ms
	timeout    int64 // ms
	latency    int64 // ms
}

func defaults() values {
	return values{
		Properties: target.Properties{Params: C.XP2P_DEFAULT_PARAMS, Swarm: C.XP2P_DEFAULT_SWARM != 0, NoUpload: C.XP2P_DEFAULT_UPLOAD == 0},
		reconnect:  C.XP2P_DEFAULT_RECONNECT != 0,
		retries:    C.XP2P_DEFAULT_RETRIES,
		retryDelay: C.XP2P_DEFAULT_RETRY_DELAY,
		timeout:    C.XP2P_DEFAULT_TIMEOUT,
		latency:    C.XP2P_DEFAULT_LATENCY,
	}
}

func (v *values) options() receiver.Options {
	return receiver.Options{
		Reconnect:  v.reconnect,
		Retries:    int(v.retries),
		RetryDelay: time.Duration(v.retryDelay) * time.Millisecond,
		Timeout:    time.Duration(v.timeout) * time.Millisecond,
	}
}

// settings are the properties behind their lock. Any thread reads and sets them.
type settings struct {
	mu sync.Mutex
	v  values
}

func (s *settings) get() values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.v
}

func (s *settings) setString(id C.guint, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch id {
	case C.XP2P_PROP_LOCATION:
		s.v.Location = to
	case C.XP2P_PROP_RENDEZVOUS:
		s.v.Rendezvous = to
	case C.XP2P_PROP_APP:
		s.v.App = to
	case C.XP2P_PROP_XP2P_INFO:
		s.v.XP2PInfo = to
	case C.XP2P_PROP_PARAMS:
		s.v.Params = to
	case C.XP2P_PROP_CODE_URL:
		s.v.CodeURL = to
	}
}

func (v *values) string(id C.guint) string {
	switch id {
	case C.XP2P_PROP_LOCATION:
		return v.Location
	case C.XP2P_PROP_RENDEZVOUS:
		return v.Rendezvous
	case C.XP2P_PROP_APP:
		return v.App
	case C.XP2P_PROP_PARAMS:
		return v.Params
	}
	return ""
}

func (s *settings) setNumber(id C.guint, to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch id {
	case C.XP2P_PROP_SWARM:
		s.v.Swarm = to != 0
	case C.XP2P_PROP_UPLOAD:
		s.v.NoUpload = to == 0
	case C.XP2P_PROP_RECONNECT:
		s.v.reconnect = to != 0
	case C.XP2P_PROP_RETRIES:
		s.v.retries = to
	case C.XP2P_PROP_RETRY_DELAY:
		s.v.retryDelay = to
	case C.XP2P_PROP_TIMEOUT:
		s.v.timeout = to
	case C.XP2P_PROP_LATENCY:
		s.v.latency = to
	}
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (v *values) number(id C.guint) int64 {
	switch id {
	case C.XP2P_PROP_SWARM:
		return truth(v.Swarm)
	case C.XP2P_PROP_UPLOAD:
		return truth(!v.NoUpload)
	case C.XP2P_PROP_RECONNECT:
		return truth(v.reconnect)
	case C.XP2P_PROP_RETRIES:
		return v.retries
	case C.XP2P_PROP_RETRY_DELAY:
		return v.retryDelay
	case C.XP2P_PROP_TIMEOUT:
		return v.timeout
	case C.XP2P_PROP_LATENCY:
		return v.latency
	}
	return 0
}
