// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"fmt"
	"time"

	"github.com/xp2p/xp2p/session"
)

// manyCamera joins a stream of many viewers and waits for a picture. m lends the
// rendezvous' STUN servers; nil: it goes without.
func (d *doctor) manyCamera(m *session.Module, p patient) {
	log, err := logger(d.cmd)
	if err != nil {
		d.failed(p.name, err, "")
		return
	}
	ctx, cancel := d.bounded()
	defer cancel()
	if m == nil {
		if m, err = session.Init(ctx, session.Config{Logger: log, ConnectTimeout: d.o.timeout}); err != nil {
			d.failed(p.name, err, "")
			return
		}
		defer m.Close()
	}
	begin := time.Now()
	s, err := m.StartService(ctx, p.name, session.StreamInfo{URL: p.url, CodeURL: p.codeURL})
	if err != nil {
		do := "is xp2p source running there, and its URL right?"
		if code, ok := session.CodeOf(err); ok && code == session.DecryptFailed {
			do = "code-url is what xp2p source --seal prints; ask the stream's owner for it"
		}
		d.failed(p.name, err, do)
		return
	}
	defer s.Close()
	st, err := s.StartStream(ctx, session.StreamRequest{})
	if err != nil {
		d.failed(p.name, err, "")
		return
	}
	defer st.Close()
	tracks, err := firstPicture(ctx, st)
	if err != nil {
		d.failed(p.name, fmt.Errorf("joined, but no picture comes: %w", err), "look at the source's log: its origin may be away")
		return
	}
	f := finding{Check: p.name, Level: levelOK, Say: fmt.Sprintf("joined a swarm; %s, first picture after %v", tracks, time.Since(begin).Round(time.Millisecond))}
	if s.Path().Path != "swarm" {
		f.Level = levelNote
		f.Say = fmt.Sprintf("plain http-flv; %s, first picture after %v", tracks, time.Since(begin).Round(time.Millisecond))
		f.Do = "there is no swarm at the URL: leave swarm and code-url out, or give the URL of xp2p source"
	}
	d.say(f)
}
