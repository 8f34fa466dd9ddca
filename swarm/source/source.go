// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/xp2p/xp2p/internal/bearer"
	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/keys"
)

// The X-P2P codes of refusals (reference/xp2p.md §2).
const (
	codeBadArgument   = -2000
	codeStreamFailed  = -2402
	codeDecryptFailed = -2502
)

// Opener opens a connection to an origin, an FLV stream. ctx bounds the opening alone;
// Close wakes a Read.
type Opener func(ctx context.Context) (io.ReadCloser, error)

// Stream is one stream of a source.
type Stream struct {
	// Path of its URL, "/live/a.flv" (required). It is the stream's name, too.
	Path string
	// Origin is where it comes from. With Config.Registry it may have other sources, which
	// cut it by turns.
	Origin Opener
	// Upstream is another source that it comes from, in place of an Origin: this one is
	// its mirror, and neither Config.Key nor an Issuer has to do with the stream.
	Upstream *Upstream
	// Code under which the stream's keys are, which must exist; empty: a new one, which
	// several sources cannot have. Without Config.Issuer it means nothing.
	Code string
}

// Config configures New. It is copied.
type Config struct {
	// Key signs chunks and names the swarm: the same one in each run (required).
	Key ed25519.PrivateKey
	// Streams (at least one).
	Streams []Stream
	// Patience is how long a viewer waits for a stream to begin; 0: 10 s.
	Patience time.Duration
	// Linger is how long an origin is pulled behind its last viewer; 0: 30 s.
	Linger time.Duration
	// Issuer makes the keys that streams are sealed with; nil: they are not sealed.
	Issuer keys.Issuer
	// Rotate is how often a stream gets another key, and Lead how long before its use
	// viewers can have it; 0: every 6 hours, and 2 minutes.
	Rotate, Lead time.Duration
	// STUN servers that peers are told of, "stun:HOST:PORT".
	STUN []string
	// NoTracker: viewers are fed by the source alone.
	NoTracker bool
	// MaxViewers of a stream at a time, players included; 0: 20,000.
	MaxViewers int
	// Token lets other machines use /feature and be mirrors ("Authorization: Bearer
	// TOKEN"). Empty: this one alone.
	Token string
	// Registry is where sources with the same Key find each other, a *rendezvous.Client;
	// nil: there is one. Public is the URL, up to the path, by which viewers and the other
	// sources reach this one (required then).
	Registry Registry
	Public   string
	// Logger; nil: discarded.
	Logger *slog.Logger
}

func (c Config) validate() error {
	switch {
	case len(c.Key) != ed25519.PrivateKeySize:
		return errors.New("source: no key to sign with")
	case len(c.Streams) == 0:
		return errors.New("source: no stream given")
	case c.Linger < 0 || c.Patience < 0 || c.Rotate < 0 || c.Lead < 0 || c.MaxViewers < 0:
		return errors.New("source: a duration or number is negative")
	case c.Registry != nil && !isBase(c.Public):
		return errors.New("source: several sources of a stream need the URL by which viewers reach this one (https://HOST)")
	}
	seen := map[string]bool{}
	for _, s := range c.Streams {
		switch {
		case !strings.HasPrefix(s.Path, "/") || len(s.Path) < 2 || len(s.Path) > 200 || strings.ContainsAny(s.Path, "?#%"):
			return fmt.Errorf("source: %q is not a path such as /live/a.flv", s.Path)
		case s.Path == "/stat" || s.Path == "/feature" || s.Path == "/code" || strings.HasPrefix(s.Path, "/code/"):
			return fmt.Errorf("source: the path %s is taken by the source itself", s.Path)
		case (s.Origin == nil) == (s.Upstream == nil):
			return fmt.Errorf("source: the stream %s has no origin, or a first source as well", s.Path)
		case seen[s.Path]:
			return fmt.Errorf("source: two streams have the path %s", s.Path)
		}
		if s.Upstream != nil {
			if err := s.Upstream.validate(); err != nil {
				return fmt.Errorf("source: the stream %s: %w", s.Path, err)
			}
		}
		if c.Registry != nil && s.Upstream == nil && c.Issuer != nil && s.Code == "" {
			return fmt.Errorf("source: the sealed stream %s has several sources: give its code, the same to all of them", s.Path)
		}
		seen[s.Path] = true
	}
	return nil
}

// isBase says whether s is a URL up to the path.
func isBase(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" && u.Fragment == ""
}

func (c Config) withDefaults() Config {
	for d, v := range map[*time.Duration]time.Duration{&c.Patience: 10 * time.Second, &c.Linger: 30 * time.Second, &c.Rotate: 6 * time.Hour, &c.Lead: 2 * time.Minute} {
		if *d == 0 {
			*d = v
		}
	}
	if c.MaxViewers == 0 {
		c.MaxViewers = 20_000
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Source serves streams. It is an http.Handler.
type Source struct {
	cfg     Config
	streams map[string]*stream // by path
	life    context.Context
	end     context.CancelFunc
	wg      sync.WaitGroup

	mu               sync.Mutex
	download, upload bool
}

// New starts a source: it asks for the streams' keys and waits for viewers. ctx bounds
// the call alone.
func New(ctx context.Context, cfg Config) (*Source, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s := &Source{cfg: cfg, streams: map[string]*stream{}, download: true, upload: true}
	s.life, s.end = context.WithCancel(context.Background())
	now := time.Now()
	for _, c := range cfg.Streams {
		st := &stream{name: c.Path, open: c.Origin, linger: cfg.Linger, patience: cfg.Patience, maxViewers: cfg.MaxViewers, hub: newHub(), demand: make(chan struct{}, 1), known: make(chan struct{}),
			log:  cfg.Logger.With("stream", c.Path),
			keys: keyring{issuer: cfg.Issuer, code: c.Code, known: map[uint32]chunk.StreamKey{}}}
		st.room = newRoom(st, &s.cfg)
		// A stream has at most 1024 chunks a second, so that a later run begins behind
		// whatever an earlier one has used.
		st.p = chunk.NewPackager(chunk.PackagerConfig{Key: cfg.Key, Stream: c.Path,
			First: uint64(now.Unix()) << 10, Number: uint32(now.Unix()), Begin: st.hub.begin, Emit: st.hub.put})
		if c.Upstream != nil {
			st.mirror = newMirror(st, *c.Upstream)
		} else {
			st.id.key = cfg.Key.Public().(ed25519.PublicKey)
			close(st.known)
		}
		if cfg.Registry != nil && c.Upstream == nil {
			st.group = newGroup(st, &s.cfg)
		}
		if err := st.beginKeys(ctx); err != nil {
			s.Close()
			return nil, err
		}
		s.streams[c.Path] = st
	}
	for _, st := range s.streams {
		s.wg.Go(func() { st.run(s.life) })
		s.wg.Go(func() { st.room.run(s.life) })
		if st.mirror != nil && st.mirror.Public != "" {
			s.wg.Go(func() { st.mirror.announce(s.life) })
		}
		if st.group != nil {
			s.wg.Go(func() { st.group.run(s.life) })
		}
		if cfg.Issuer != nil && st.code() != "" {
			s.wg.Go(func() { st.turnKeys(s.life, cfg.Rotate, cfg.Lead) })
		}
	}
	return s, nil
}

// Code is the code of a stream's keys; empty: it is not sealed, or not there.
func (s *Source) Code(path string) string {
	if st := s.streams[path]; st != nil {
		return st.code()
	}
	return ""
}

// Close leaves the origins and ends every answer. It waits for the source's own
// goroutines; those of requests are the HTTP server's.
func (s *Source) Close() error {
	s.end()
	s.wg.Wait()
	for _, st := range s.streams {
		if st.mirror != nil {
			st.mirror.client.CloseIdleConnections()
		}
	}
	return nil
}

// ServeHTTP serves the requests of the package's comment.
func (s *Source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	r = r.WithContext(ctx)
	switch r.URL.Path {
	case "/stat":
		s.serveStat(w, r)
		return
	case "/feature":
		s.serveFeature(w, r)
		return
	}
	st := s.streams[r.URL.Path]
	if st == nil {
		refuse(w, http.StatusNotFound, codeBadArgument, "there is no such stream here")
		return
	}
	what := r.URL.Query().Get("_swarm")
	switch {
	case what == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		st.servePlain(w, r)
	case r.Method != http.MethodPost || what == "":
		w.Header().Set("Allow", "GET, HEAD, POST")
		refuse(w, http.StatusMethodNotAllowed, codeBadArgument, "wanted GET for a player, or POST with _swarm")
	case what == "join":
		st.room.serveJoin(w, r, bearer.FromOwner(r, s.cfg.Token))
	case what == "track":
		st.room.serveTrack(w, r)
	case what == "prove":
		st.room.serveProve(w, r)
	case what == "tell":
		st.room.serveTell(w, r)
	default:
		refuse(w, http.StatusNotFound, codeBadArgument, "_swarm is none of join, track, tell and prove")
	}
}

func refuse(w http.ResponseWriter, status, code int, why string) {
	reply(w, status, map[string]any{"code": code, "error": why})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func newRand() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) }
