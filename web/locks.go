// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/xp2p/xp2p/recorder"
)

// getLocks lists what of a camera is kept whatever the limits say.
func (s *Server) getLocks(w http.ResponseWriter, r *http.Request) {
	c, ok := s.camera(w, r)
	if !ok {
		return
	}
	list, err := s.cfg.Recordings.Locks(r.Context(), c.Name)
	if err != nil {
		fail(w, err)
		return
	}
	if list == nil {
		list = []recorder.Lock{} // [], not null
	}
	answer(w, http.StatusOK, list)
}

// postLock keeps a stretch of a camera's recordings, with those yet to come in it.
func (s *Server) postLock(w http.ResponseWriter, r *http.Request) {
	c, ok := s.camera(w, r)
	if !ok {
		return
	}
	var p struct {
		From instant `json:"from"`
		To   instant `json:"to"`
		Note string  `json:"note"`
	}
	err := readJSON(r, &p)
	switch {
	case err != nil:
	case p.From.IsZero() || p.To.IsZero():
		err = bad("needs from and to: RFC 3339 or Unix seconds")
	case !p.To.After(p.From.Time):
		err = bad("to is not behind from")
	case len(p.Note) > recorder.MaxLockNote:
		err = bad(fmt.Sprintf("the note has %d bytes, at most %d are kept", len(p.Note), recorder.MaxLockNote))
	}
	var l recorder.Lock
	if err == nil {
		l, err = s.cfg.Recordings.Lock(r.Context(), recorder.Lock{Camera: c.Name, From: p.From.Time, To: p.To.Time, Note: p.Note})
	}
	if err != nil {
		failLock(w, err)
		return
	}
	answer(w, http.StatusCreated, l)
}

// deleteLock lets the recordings of a lock go when their turn comes.
func (s *Server) deleteLock(w http.ResponseWriter, r *http.Request) {
	if err := s.cfg.Recordings.Unlock(r.Context(), r.PathValue("id")); err != nil {
		failLock(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// failLock answers with what the archive says of locks.
func failLock(w http.ResponseWriter, err error) {
	if errors.Is(err, recorder.ErrNoLock) || errors.Is(err, recorder.ErrNoCamera) {
		refuse(w, http.StatusNotFound, err.Error())
		return
	}
	fail(w, err)
}
