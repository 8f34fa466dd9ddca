// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/keys"
	"github.com/xp2p/xp2p/swarm/wire"
)

const (
	// mirrorSilent is how long the first source may say nothing: it has a beat.
	mirrorSilent = 3*beat + time.Second
	// reportEvery is how often a mirror says how many viewers it has.
	reportEvery = 3 * time.Second
	// proveTimeout bounds a question whether a viewer has a key of the stream.
	proveTimeout = 5 * time.Second
	// maxRefusal bounds what is read of a refusal, in bytes.
	maxRefusal = 4 << 10
)

// Upstream is another source of the same stream, whose chunks a mirror passes on as they
// are: they have one key, one cut and one numbering, so that a viewer can go on at either
// without a tag lost or repeated.
type Upstream struct {
	// URL of the stream there (required).
	URL string
	// Token of that source (its Config.Token), which lets this one be named to viewers.
	Token string
	// Public is this stream's URL here, as viewers reach it; empty: nobody is told of it.
	Public string
}

func (u *Upstream) validate() error {
	for _, s := range []string{u.URL, u.Public} {
		x, err := url.Parse(s)
		if s != "" && (err != nil || x.Scheme != "http" && x.Scheme != "https" || x.Host == "" || x.RawQuery != "") || s == "" && u.URL == "" {
			return errors.New("the upstream is not an http or https URL of a stream (https://HOST/live/a.flv)")
		}
	}
	return nil
}

// mirror is the way of a stream's chunks from the first source.
type mirror struct {
	Upstream
	s      *stream
	client *http.Client
	// from is where a viewer goes on that came from another source, which this one may
	// have nothing of yet.
	from atomic.Uint64

	mu sync.Mutex
	// believed are the viewers that have proved to the first source that they have a key, by
	// what they showed: at most as many as there can be, then it is asked anew. They are
	// believed while it is away.
	believed map[[sha256.Size]byte]bool
}

func newMirror(s *stream, u Upstream) *mirror {
	return &mirror{Upstream: u, s: s, believed: map[[sha256.Size]byte]bool{}, client: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableCompression: true,
		TLSHandshakeTimeout: originDial, ResponseHeaderTimeout: originAnswer}}}
}

// post asks the first source.
func (m *mirror) post(ctx context.Context, query string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL+query, bytes.NewReader(body))
	if err != nil {
		return nil, withoutURL(err)
	}
	req.Header.Set("Authorization", "Bearer "+m.Token)
	res, err := m.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("first source: %w", withoutURL(err))
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	no := &refusal{}
	if json.NewDecoder(io.LimitReader(res.Body, maxRefusal)).Decode(no) == nil && no.Reason != "" {
		return nil, fmt.Errorf("the first source answered: %w", no)
	}
	return nil, fmt.Errorf("the first source answered %s", res.Status)
}

// refusal is a source's no.
type refusal struct {
	Code   int    `json:"code"`
	Reason string `json:"error"`
}

func (r *refusal) Error() string { return r.Reason }

// proved has the first source say whether a viewer has a key of the sealed stream, which a
// mirror does not have. The error says that it cannot be asked.
func (m *mirror) proved(ctx context.Context, j wire.Join) (bool, error) {
	b, err := json.Marshal(wire.Join{Pin: j.Pin, Proofs: j.Proofs[:min(len(j.Proofs), keys.MaxProofs)]})
	if err != nil {
		return false, err
	}
	shown := sha256.Sum256(b)
	m.mu.Lock()
	known := m.believed[shown]
	m.mu.Unlock()
	if known {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, proveTimeout)
	defer cancel()
	res, err := m.post(ctx, "?_swarm=prove", b)
	if no := new(refusal); errors.As(err, &no) && no.Code == codeDecryptFailed {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	res.Body.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.believed) >= m.s.maxViewers {
		clear(m.believed)
	}
	m.believed[shown] = true
	return true, nil
}

// join opens a way from the first source and takes its welcome. body ends with ctx.
func (m *mirror) join(ctx context.Context, j wire.Join) (frames *wire.Reader, token string, body io.Closer, err error) {
	b, err := json.Marshal(j)
	if err != nil {
		return nil, "", nil, err
	}
	res, err := m.post(ctx, "?_swarm=join&"+sentOn+"=1", b)
	if err != nil {
		return nil, "", nil, err
	}
	frames = wire.NewReader(res.Body)
	var w wire.Welcome
	t, raw, err := frames.Next()
	if err == nil && t != wire.TypeWelcome {
		err = errors.New("it is no source of a swarm")
	}
	if err == nil {
		err = wire.ParseJSON(raw, &w)
	}
	if err == nil {
		err = m.s.meet(w)
	}
	if err != nil {
		res.Body.Close()
		return nil, "", nil, fmt.Errorf("welcome of the first source: %w", err)
	}
	return frames, w.Token, res.Body, nil
}

// pull takes chunks from the first source, from behind those that are here.
func (m *mirror) pull(ctx context.Context) error {
	m.s.pulls.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	from := m.s.hub.end()
	if from == 0 {
		from = m.from.Swap(0)
	}
	frames, _, body, err := m.join(ctx, wire.Join{Stripes: 1<<chunk.Stripes - 1, From: from, Mirror: m.Public})
	if err != nil {
		return err
	}
	defer body.Close()
	m.s.log.Info("the first source's stream begins")
	m.s.setFault(nil)
	return m.each(cancel, frames, func(t wire.Type, b []byte) error {
		switch t {
		case wire.TypeEpoch:
			e, err := m.s.verifier().Epoch(b)
			if err == nil {
				m.s.hub.beginAgain(e)
			}
			return err
		case wire.TypeChunk:
			c, err := chunk.Parse(b)
			if err == nil {
				err = m.s.verifier().Verify(c)
			}
			if err == nil {
				m.s.learnKey(ctx, c.KeyID)
				m.s.hub.put(c)
			}
			return err
		}
		return nil
	})
}

// each reads frames until they end, or cancel is called since none come.
func (m *mirror) each(cancel func(), frames *wire.Reader, take func(wire.Type, []byte) error) error {
	idle := time.AfterFunc(mirrorSilent, cancel)
	defer idle.Stop()
	for {
		t, b, err := frames.Next()
		if err == nil {
			idle.Reset(mirrorSilent)
			err = take(t, b)
		}
		if err != nil {
			return fmt.Errorf("first source: %w", err)
		}
	}
}

// announce has the first source know this one until ctx ends, also while nobody watches.
func (m *mirror) announce(ctx context.Context) {
	for wait := originRetryMin; ; wait = min(2*wait, originRetryMax) {
		began := time.Now()
		err := m.announceOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > goodOrigin {
			wait = originRetryMin
		}
		m.s.log.Warn("the first source does not know this mirror; trying again", "err", err, "in", wait)
		if !sleep(ctx, wait) {
			return
		}
	}
}

func (m *mirror) announceOnce(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	frames, token, body, err := m.join(ctx, wire.Join{Mirror: m.Public})
	if err != nil {
		return err
	}
	defer body.Close()
	told := make(chan struct{})
	go func() {
		defer close(told)
		for sleep(ctx, reportEvery) {
			b := wire.AppendJSON(nil, wire.TypeReport, wire.Report{Used: m.s.room.len(), Slots: m.s.maxViewers})
			res, err := m.post(ctx, "?_swarm=tell&token="+url.QueryEscape(token), b)
			if err != nil {
				cancel()
				return
			}
			res.Body.Close()
		}
	}()
	err = m.each(cancel, frames, func(wire.Type, []byte) error { return nil })
	cancel()
	<-told
	return err
}

// identity is whose stream it is: the source's own, or what the first source says.
type identity struct {
	key    ed25519.PublicKey // nil: not known yet
	sealed bool
	stun   []string
	others []string // URLs of the first source and of other mirrors
}

var errOtherKey = errors.New("the source has another key than before: was its state directory replaced? start this mirror anew if that is meant")

// meet takes the first source's welcome.
func (s *stream) meet(w wire.Welcome) error {
	if w.Stream != s.name {
		return fmt.Errorf("its stream is %q and this one %q: a mirror has the same path", w.Stream, s.name)
	}
	if len(w.Key) != ed25519.PublicKeySize {
		return errors.New("it shows no key")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id.key != nil && !bytes.Equal(s.id.key, w.Key) {
		return errOtherKey
	}
	if s.group != nil {
		return nil // the rest it knows itself
	}
	if s.id.key == nil {
		s.id.key = w.Key
		close(s.known)
	}
	s.id.sealed, s.id.stun = w.Sealed, w.STUN
	s.id.others = append([]string{s.mirror.URL}, w.Sources...)
	return nil
}

// awaitIdentity waits until it is known whose stream it is.
func (s *stream) awaitIdentity(ctx context.Context) (identity, error) {
	t := time.NewTimer(s.patience)
	defer t.Stop()
	select {
	case <-s.known:
	case <-t.C:
		return identity{}, errors.New("the first source of the stream cannot be reached")
	case <-ctx.Done():
		return identity{}, context.Cause(ctx)
	}
	return s.identity(), nil
}

func (s *stream) identity() identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

func (s *stream) verifier() *chunk.Verifier {
	s.mu.Lock()
	defer s.mu.Unlock()
	return chunk.NewVerifier(s.id.key, s.name)
}
