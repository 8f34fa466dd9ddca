// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

// problem is the body of every answer that is an error.
type problem struct {
	Error string `json:"error"`
	// Code is the X-P2P result code (reference/xp2p.md §2), where there is one.
	Code int `json:"code,omitempty"`
}

// answer sends v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(b, '\n'))
}

// refuse answers with an error that has no X-P2P code of its own but its status.
func refuse(w http.ResponseWriter, status int, say string) {
	p := problem{Error: say}
	if status == http.StatusBadRequest {
		p.Code = int(session.BadArgument)
	}
	answer(w, status, p)
}

// errBad marks what is wrong with a request.
type errBad struct{ say string }

func (e *errBad) Error() string { return e.say }

func bad(say string) error { return &errBad{say} }

// fail answers with err, by the code it carries.
func fail(w http.ResponseWriter, err error) {
	var b *errBad
	var tooLarge *http.MaxBytesError
	code, coded := session.CodeOf(err)
	p := problem{Error: err.Error()}
	if coded {
		p.Code = int(code)
	}
	switch {
	case errors.As(err, &b):
		p.Code = int(session.BadArgument)
		answer(w, http.StatusBadRequest, p)
	case errors.As(err, &tooLarge):
		answer(w, http.StatusRequestEntityTooLarge, p)
	case errors.Is(err, recorder.ErrNothing):
		answer(w, http.StatusNotFound, p)
	case errors.Is(err, recorder.ErrClosed), errors.Is(err, context.Canceled):
		w.Header().Set("Retry-After", "2")
		answer(w, http.StatusServiceUnavailable, problem{Error: "the recorder ends"})
	case !coded:
		answer(w, http.StatusInternalServerError, p)
	case code == session.NoService:
		answer(w, http.StatusNotFound, p)
	case code == session.BadArgument:
		answer(w, http.StatusBadRequest, p)
	case code == session.NotSupported, code == session.NotInEnvironment:
		answer(w, http.StatusNotImplemented, p)
	case code.Retryable():
		w.Header().Set("Retry-After", "2")
		answer(w, http.StatusServiceUnavailable, p)
	default:
		answer(w, http.StatusBadGateway, p)
	}
}
