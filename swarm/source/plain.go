// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/xp2p/xp2p/internal/bearer"
	"github.com/xp2p/xp2p/swarm/chunk"
)

// writePatience is how long a viewer may take nothing.
const writePatience = 15 * time.Second

// servePlain gives a player the stream as http-flv. One that is slow loses whole groups
// of pictures, for which nobody waits.
func (s *stream) servePlain(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		s.group.sign(w.Header())
	}
	if code := s.code(); code != "" && !bearer.Same(r.URL.Query().Get("code"), code) {
		refuse(w, http.StatusForbidden, codeDecryptFailed, "this stream is sealed: ask its owner for the code, and add ?code=CODE to the URL")
		return
	}
	id, err := s.awaitIdentity(r.Context())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, codeStreamFailed, err.Error())
		return
	}
	if s.mirror != nil && s.group == nil && id.sealed {
		refuse(w, http.StatusForbidden, codeDecryptFailed, "this stream is sealed and this source a mirror without its key: play it from the first source, or as a viewer of the swarm")
		return
	}
	w.Header().Set("Access-Control-Allow-Origin", "*") // players in web pages
	w.Header().Set("Content-Type", "video/x-flv")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	leave, err := s.enter()
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, codeStreamFailed, err.Error())
		return
	}
	defer leave()
	next, err := s.awaitStart(r.Context())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, codeStreamFailed, err.Error())
		return
	}
	a := chunk.NewAssembler(chunk.IDOf(id.key, s.name), s.key)
	out := newOutput(w)
	var buf []byte
	for {
		l, e, after, fresh := s.hub.since(next)
		next = after
		buf = buf[:0]
		for i, c := range l {
			if buf, err = a.Append(buf, c, e[i]); err != nil {
				s.log.Error("a chunk of our own cannot be used", "err", err)
			}
		}
		if len(buf) > 0 {
			if out.write(buf) != nil {
				return
			}
			s.sent.Add(uint64(len(buf)))
			continue
		}
		if len(l) > 0 {
			continue
		}
		select {
		case <-fresh:
		case <-r.Context().Done():
			return
		}
	}
}

// awaitStart waits for a key frame to begin with.
func (s *stream) awaitStart(ctx context.Context) (sequence uint64, err error) {
	t := time.NewTimer(s.patience)
	defer t.Stop()
	for {
		seq, ok, fresh := s.hub.start()
		if ok {
			return seq, nil
		}
		select {
		case <-fresh:
		case <-t.C:
			if fault := s.getFault(); fault != nil {
				return 0, fmt.Errorf("the stream is not there: %w", fault)
			}
			return 0, errors.New("the stream has not begun: its origin sends no key frame")
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// output writes to a viewer, which must take something now and then.
type output struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func newOutput(w http.ResponseWriter) *output { return &output{w, http.NewResponseController(w)} }

func (o *output) write(b []byte) error {
	if err := o.rc.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return err
	}
	if _, err := o.w.Write(b); err != nil {
		return err
	}
	return o.rc.Flush()
}
