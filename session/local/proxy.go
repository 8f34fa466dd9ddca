// SPDX-License-Identifier: LGPL-2.1-or-later

package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/xp2p/xp2p/session"
)

const (
	copyBuffer = 32 << 10
	// stallTimeout is how long a player may take nothing, such as while it is paused;
	// the camera drops pictures for it meanwhile.
	stallTimeout = time.Minute
	// maxCommand bounds what is read of a command, as the camera does.
	maxCommand = 64 << 10
	// commandTimeout is the original's (reference/xp2p.md §2, sendCommand).
	commandTimeout = 7500 * time.Millisecond
	flvType        = "video/x-flv"
)

func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", s.list)
	m.HandleFunc("GET /{camera}/ipc.flv", func(w http.ResponseWriter, r *http.Request) {
		if m := s.many[r.PathValue("camera")]; m != nil {
			s.serveMany(w, r, m)
			return
		}
		s.with(s.stream)(w, r)
	})
	m.HandleFunc("GET /stat", s.serveStat)
	m.HandleFunc("GET /feature", s.serveFeature)
	m.HandleFunc("POST /{camera}/voice", s.with(s.voice))
	m.HandleFunc("GET /{camera}/command", s.with(s.command))
	m.HandleFunc("POST /{camera}/command", s.with(s.command))
	m.HandleFunc("GET /{camera}/events", s.with(s.stream))
	m.HandleFunc("POST /{camera}/events", s.with(s.command))
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, 0, fmt.Sprintf("no such request: %s %s (GET / lists the cameras and their URLs)", r.Method, r.URL.Path))
	})
	return m
}

// with finds the camera that a request is for.
func (s *Server) with(h func(http.ResponseWriter, *http.Request, *camera)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := s.byKey[r.PathValue("camera")]
		if m := s.many[r.PathValue("camera")]; m != nil {
			refuse(w, http.StatusNotFound, int(session.NotSupported), "this is a stream of many viewers (1vN), which has no camera to talk to: it has ipc.flv alone")
			return
		}
		if c == nil {
			refuse(w, http.StatusNotFound, int(session.NoService), fmt.Sprintf("no camera %q here (GET / lists them)", r.PathValue("camera")))
			return
		}
		h(w, r, c)
	}
}

// listed is a camera in the answer to GET /.
type listed struct {
	Camera    string `json:"camera"` // PRODUCT_DEVICE; of a stream of many viewers its name, and it has Live alone
	Product   string `json:"productId,omitempty"`
	Device    string `json:"deviceName,omitempty"`
	Connected bool   `json:"connected"`
	Live      string `json:"live"`
	Command   string `json:"command,omitempty"`
	Voice     string `json:"voice,omitempty"`
	Events    string `json:"events,omitempty"`
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	l := struct {
		Cameras []listed `json:"cameras"`
	}{}
	for _, c := range s.cameras {
		at := "http://" + r.Host + "/" + c.key
		l.Cameras = append(l.Cameras, listed{
			Camera: c.key, Product: c.product, Device: c.device, Connected: c.connected(),
			Live:    at + "/ipc.flv?action=live&channel=0",
			Command: at + "/command?action=inner_define&channel=0&cmd=get_device_st&type=live",
			Voice:   at + "/voice?channel=0",
			Events:  at + "/events",
		})
	}
	for _, m := range s.streams {
		_, _, players := m.flow()
		l.Cameras = append(l.Cameras, listed{Camera: m.key, Connected: players > 0, Live: "http://" + r.Host + "/" + m.key + "/ipc.flv"})
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // an & stays one, for whoever copies a URL
	e.SetIndent("", "  ")
	e.Encode(l)
}

// stream is a request with a long answer.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, c *camera) {
	if r.Method == http.MethodHead { // a player that looks before it plays need not start the camera
		w.Header().Set("Content-Type", flvType)
		return
	}
	s.pass(w, r, c, nil)
}

// command is a request with a short body and a short answer.
func (s *Server) command(w http.ResponseWriter, r *http.Request, c *camera) {
	if r.Method == http.MethodHead {
		refuse(w, http.StatusMethodNotAllowed, 0, "a command is sent by GET or POST")
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.patience, errNoAnswer)
	defer cancel()
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Now().Add(s.patience))
	// Whole before it is sent: a camera must not act on the beginning of a command.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCommand))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		refuse(w, http.StatusRequestEntityTooLarge, int(session.BadArgument), fmt.Sprintf("the command is longer than %d bytes", maxCommand))
		return
	case err != nil:
		w.Header().Set("Connection", "close") // where the next request begins is not known
		refuse(w, http.StatusBadRequest, int(session.BadArgument), "the command did not arrive whole")
		return
	}
	rc.SetReadDeadline(time.Time{})
	s.pass(w, r.WithContext(ctx), c, bytes.NewReader(body))
}

var errNoAnswer = errors.New("no answer from the camera in time")

// voice is a request whose body and answer flow at once.
func (s *Server) voice(w http.ResponseWriter, r *http.Request, c *camera) {
	if r.Header.Get("Expect") != "" {
		w.WriteHeader(http.StatusContinue) // now: the answer's header may come before the body is read
	}
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil && r.ProtoMajor == 1 {
		refuse(w, http.StatusInternalServerError, int(session.VoiceFailed), err.Error())
		return
	}
	s.pass(w, r, c, r.Body)
}

// pass sends a request to the camera and its answer back. body is the request's, nil for none.
func (s *Server) pass(w http.ResponseWriter, r *http.Request, c *camera, body io.Reader) {
	w, done := c.traffic.count(w)
	defer done()
	svc, release, err := c.use(r.Context())
	if err != nil {
		c.traffic.failed.Add(1)
		s.fail(w, r, c.key, err)
		return
	}
	defer release()
	out, err := http.NewRequestWithContext(r.Context(), r.Method, "https://camera/"+path.Base(r.URL.Path), body)
	if err != nil {
		refuse(w, http.StatusBadRequest, int(session.BadArgument), "the request cannot be sent on: "+err.Error())
		return
	}
	out.URL.RawQuery = withoutToken(r.URL.RawQuery)
	if body != nil {
		if t := r.Header.Get("Content-Type"); t != "" {
			out.Header.Set("Content-Type", t)
		}
	}
	res, err := svc.RoundTrip(out)
	if err != nil {
		c.traffic.failed.Add(1)
		s.fail(w, r, c.key, err)
		return
	}
	defer res.Body.Close()
	copyHeader(w.Header(), res.Header)
	w.WriteHeader(res.StatusCode)
	if err := copyBody(w, res.Body); err != nil {
		s.log.Debug("answer broke off", "camera", c.key, "request", r.URL.Path, "err", err)
		panic(http.ErrAbortHandler) // the player must not take it for the end
	}
}

// copyHeader needs to leave out nothing that belongs to the link alone: HTTP/3 knows
// no such headers (RFC 9114 §4.2), and the link refuses an answer that has them.
func copyHeader(to, from http.Header) {
	maps.Copy(to, from)
	to.Set("Cache-Control", "no-store")
}

// copyBody sends what comes as it comes.
func copyBody(w http.ResponseWriter, body io.Reader) error {
	rc := http.NewResponseController(w)
	defer rc.SetWriteDeadline(time.Time{})
	if err := rc.Flush(); err != nil {
		return err
	}
	buf := make([]byte, copyBuffer)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			rc.SetWriteDeadline(time.Now().Add(stallTimeout))
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			if err := rc.Flush(); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// fail answers a request for which the camera was not reached.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, key string, err error) {
	if cause := context.Cause(r.Context()); cause != nil {
		status := http.StatusGatewayTimeout
		if !errors.Is(cause, errNoAnswer) { // the player is gone, or the server goes
			status = http.StatusServiceUnavailable
		}
		refuse(w, status, int(session.StreamFailed), cause.Error())
		return
	}
	code, ok := session.CodeOf(err)
	if !ok {
		code = session.StreamFailed
	}
	s.log.Warn("camera not reached", "camera", key, "err", err, "code", int(code))
	status := http.StatusBadGateway
	switch code {
	case session.BadArgument:
		status = http.StatusBadRequest
	case session.BadXP2PInfo, session.DecryptFailed:
		status = http.StatusForbidden
	}
	refuse(w, status, int(code), err.Error())
}

// refusal is the body of a refused request: a camera's own, and the X-P2P code
// where it was not the camera that refused.
type refusal struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	Code   int    `json:"code,omitempty"`
}

func refuse(w http.ResponseWriter, status, code int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(refusal{strconv.Itoa(status), why, code})
}
