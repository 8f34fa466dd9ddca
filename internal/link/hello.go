// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
)

// The hello is the first request on a link:
//
//	POST /.xp2p/hello     body: what the viewer shows for admission, at most 16 KiB
//	200                   admitted
//	403 {"code","error"}  refused; the link is closed
//
// It is needed even though TLS is mutual: TLS 1.3 lets a client believe that it
// is connected before the server has looked at its certificate.
const helloPath = "/.xp2p/hello"

const (
	maxHello       = 16 << 10
	maxHeaderBytes = 32 << 10
)

// Refusal is a peer's no. Code is the X-P2P result code that says why.
type Refusal struct {
	Code   int    `json:"code"`
	Reason string `json:"error"`
}

func (r *Refusal) Error() string { return r.Reason }

// maxReason bounds the reason that a link is closed with: it must fit into one packet.
const maxReason = 512

// closeReason is how a peer is told why its link closes.
func closeReason(cause error) (quic.ApplicationErrorCode, string) {
	var r *Refusal
	if !errors.As(cause, &r) {
		return codeClosed, ""
	}
	short := *r
	if len(short.Reason) > maxReason {
		short.Reason = strings.ToValidUTF8(short.Reason[:maxReason], "")
	}
	b, err := json.Marshal(short)
	if err != nil {
		return codeEnded, ""
	}
	return codeEnded, string(b)
}

// readRefusal reads what closeReason wrote; of anything else it makes a Refusal
// without a code.
func readRefusal(s string) *Refusal {
	r := new(Refusal)
	if len(s) > maxHello || json.Unmarshal([]byte(s), r) != nil || r.Reason == "" {
		return &Refusal{Reason: "the peer ended the link"}
	}
	return r
}

func (l *Link) sayHello(ctx context.Context, hello []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://peer"+helloPath, bytes.NewReader(hello))
	if err != nil {
		return err
	}
	res, err := l.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		return nil
	}
	var r Refusal
	if err := json.NewDecoder(io.LimitReader(res.Body, maxHello)).Decode(&r); err != nil || r.Reason == "" {
		return fmt.Errorf("hello: the peer answered %s", res.Status)
	}
	return &r
}

// helloTimeout is how long a peer may hold a connection without being admitted.
const helloTimeout = 10 * time.Second

// gate lets nothing but the hello through until it succeeded.
type gate struct {
	link     *Link
	open     chan struct{} // closed when the hello succeeded
	admitted atomic.Pointer[context.Context]
}

// expectHello ends the link of a peer that does not say a good hello in time.
func (g *gate) expectHello() {
	t := time.NewTimer(helloTimeout)
	defer t.Stop()
	select {
	case <-g.open:
	case <-g.link.done:
	case <-t.C:
		g.link.close(errors.New("the peer said no hello that was accepted"))
	}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if base := g.admitted.Load(); base != nil {
		ctx, cancel := context.WithCancel(*base)
		defer cancel()
		defer context.AfterFunc(r.Context(), cancel)()
		g.link.cfg.Handler.ServeHTTP(w, r.WithContext(ctx))
		return
	}
	if r.URL.Path != helloPath || r.Method != http.MethodPost {
		http.Error(w, "say hello first", http.StatusForbidden)
		return
	}
	hello, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHello))
	if err != nil {
		http.Error(w, "hello is too long", http.StatusRequestEntityTooLarge)
		return
	}
	base, err := g.link.cfg.Admit(context.WithoutCancel(r.Context()), hello)
	if err != nil {
		refusal := &Refusal{Reason: "refused"}
		errors.As(err, &refusal)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		json.NewEncoder(w).Encode(refusal)
		return
	}
	if g.admitted.CompareAndSwap(nil, &base) {
		close(g.open)
	}
	w.WriteHeader(http.StatusOK)
}
