// SPDX-License-Identifier: LGPL-2.1-or-later

package feed

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/xp2p/xp2p/internal/bearer"
)

// The X-P2P codes of refusals (reference/xp2p.md §2).
const (
	codeBadArgument  = -2000
	codeStreamFailed = -2402
)

const (
	// MinToken is the least length of a token.
	MinToken = 16
	// openPatience is how long a stream that is wanted waits for its camera.
	openPatience = 10 * time.Second
	// pushPatience is how long a camera's push waits to be wanted.
	pushPatience = 5 * time.Second
	// silence is how long a push may bring nothing.
	silence = 10 * time.Second
)

// poll is how long a request to wait is held; a proxy may not like longer ones.
const poll = 20 * time.Second

// Feed is a stream at its source, whose camera comes to it.
type Feed struct {
	token  string
	poll   time.Duration
	push   time.Duration // how long a push waits to be wanted
	pushes chan *push    // from a camera to the stream that wants it
	closed chan struct{} // by Close
	once   sync.Once

	mu     sync.Mutex
	wanted int           // opens under way
	demand chan struct{} // closed while there is one
}

// New makes a feed; token, at least MinToken characters, is what cameras show.
func New(token string) (*Feed, error) {
	if len(token) < MinToken {
		return nil, errors.New("the token that cameras show has at least 16 characters")
	}
	return &Feed{token: token, poll: poll, push: pushPatience, pushes: make(chan *push), closed: make(chan struct{}), demand: make(chan struct{})}, nil
}

// Close answers the requests that wait. A push ends with the stream that it feeds.
func (f *Feed) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

var errNoCamera = errors.New("no camera feeds the stream: start xp2p camera with --relay and this stream's URL")

// Open waits for the camera and gives its stream; it is a source.Opener.
func (f *Feed) Open(ctx context.Context) (io.ReadCloser, error) {
	f.want(1)
	defer f.want(-1)
	t := time.NewTimer(openPatience)
	defer t.Stop()
	select {
	case p := <-f.pushes:
		return p, nil
	case <-t.C:
		return nil, errNoCamera
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (f *Feed) want(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.wanted
	f.wanted += n
	switch {
	case before == 0:
		close(f.demand)
	case f.wanted == 0:
		f.demand = make(chan struct{})
	}
}

func (f *Feed) demanded() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.demand
}

// Handler serves the requests of the package's comment for feeds by the path of their
// stream, and passes all others to next.
func Handler(feeds map[string]*Feed, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := r.URL.Query().Get("_feed")
		if what == "" {
			next.ServeHTTP(w, r)
			return
		}
		f := feeds[r.URL.Path]
		switch {
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			refuse(w, http.StatusMethodNotAllowed, codeBadArgument, "wanted POST with _feed")
		case f == nil:
			refuse(w, http.StatusNotFound, codeBadArgument, "no camera feeds this stream here: the source has it with --feed PATH")
		case !bearer.Has(r, f.token):
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, codeBadArgument, "the token is missing or wrong: XP2P_FEED_TOKEN must be the source's")
		case what == "wait":
			f.serveWait(w, r)
		case what == "push":
			f.servePush(w, r)
		default:
			refuse(w, http.StatusNotFound, codeBadArgument, "_feed is none of wait and push")
		}
	})
}

func (f *Feed) serveWait(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	t := time.NewTimer(f.poll)
	defer t.Stop()
	select {
	case <-f.demanded():
	case <-t.C:
		w.WriteHeader(http.StatusNoContent)
	case <-f.closed:
		refuse(w, http.StatusServiceUnavailable, codeStreamFailed, "the source ends")
	case <-r.Context().Done():
	}
}

func (f *Feed) servePush(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close") // where the body ends is not waited for
	p := &push{body: r.Body, rc: http.NewResponseController(w), done: make(chan struct{})}
	t := time.NewTimer(f.push)
	defer t.Stop()
	select {
	case f.pushes <- p:
		<-p.done // the stream ends it: it fails when the camera goes or falls silent
	case <-f.closed:
		refuse(w, http.StatusServiceUnavailable, codeStreamFailed, "the source ends")
	case <-t.C:
		refuse(w, http.StatusConflict, codeStreamFailed, "nobody watches the stream now, or another camera feeds it: wait")
	case <-r.Context().Done():
	}
}

// push is the body of a camera's request, until the stream closes it.
type push struct {
	body io.Reader
	rc   *http.ResponseController
	once sync.Once
	done chan struct{}

	mu     sync.Mutex // over the deadline and closed
	closed bool
}

// Read gives what the camera sends, and fails where it sends nothing.
func (p *push) Read(b []byte) (int, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return 0, io.ErrClosedPipe
	}
	err := p.rc.SetReadDeadline(time.Now().Add(silence))
	p.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return p.body.Read(b)
}

// Close ends the request and wakes a Read.
func (p *push) Close() error {
	p.once.Do(func() {
		p.mu.Lock()
		p.closed = true
		p.rc.SetReadDeadline(time.Unix(1, 0)) // fails where the request is over already
		p.mu.Unlock()
		close(p.done)
	})
	return nil
}

func refuse(w http.ResponseWriter, status, code int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"code": code, "error": why})
}
