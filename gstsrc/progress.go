// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/xp2p/xp2p/gstsrc/internal/receiver"
	"github.com/xp2p/xp2p/internal/gst/element"
	"github.com/xp2p/xp2p/session"
)

// progress makes the events of a stream's beginning into GStreamer's own progress
// messages, as its network sources post them: gst-launch prints them, and a player can
// show them. The code is "connect".
type progress struct {
	post func(element.Progress, string)
	name string // of the camera

	mu    sync.Mutex
	begun bool
	open  bool // begun and not complete
}

const progressCode = "connect"

func newProgress(src unsafe.Pointer, name string) *progress {
	return &progress{name: name, post: func(p element.Progress, text string) { element.PostProgress(src, p, progressCode, text) }}
}

// begin says that the stream is to be opened, once. It must not be earlier than the
// streaming thread comes to it: gst-launch does not let a pipeline play whose progress
// has begun and not ended, and a live stream is opened when the pipeline plays.
func (p *progress) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begun {
		p.begun, p.open = true, true
		p.post(element.ProgressStart, "Connecting to "+p.name)
	}
}

// event follows what the stream's events say.
func (p *progress) event(e session.Event) {
	if e.Kind != session.Notify {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch d := e.Detail.(type) {
	case receiver.ReconnectDetail:
		if p.open {
			p.post(element.ProgressContinue, "Trying again: "+d.Reason)
			return
		}
		p.open = true
		p.post(element.ProgressStart, "Connecting again: "+d.Reason)
	case session.PathDetail:
		if p.open && e.Subtype == session.Connected {
			p.post(element.ProgressContinue, fmt.Sprintf("Connected (%s)", d.Path))
		}
	case session.ParsedDetail:
		if p.open && d.Status/100 == 2 {
			p.open = false
			p.post(element.ProgressComplete, "The stream begins")
		}
	}
}

// fail says that the stream is given up.
func (p *progress) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open {
		p.open = false
		p.post(element.ProgressError, err.Error())
	}
}
