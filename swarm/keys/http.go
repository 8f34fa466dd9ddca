// SPDX-License-Identifier: LGPL-2.1-or-later

package keys

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/xp2p/xp2p/internal/bearer"
	"github.com/xp2p/xp2p/swarm/chunk"
)

// answer is the JSON of both requests.
type answer struct {
	Code    string      `json:"code,omitempty"`
	Expire  int64       `json:"expire,omitempty"` // Unix seconds
	Key     string      `json:"key"`              // hex
	ID      uint32      `json:"id,omitempty"`
	Refresh int         `json:"refresh,omitempty"` // seconds until it is worth asking again
	Keys    []keyAnswer `json:"keys,omitempty"`
}

type keyAnswer struct {
	ID  uint32 `json:"id"`
	Key string `json:"key"`
}

// HandlerConfig configures Handler. It is copied.
type HandlerConfig struct {
	// Token must come with POST ("Authorization: Bearer TOKEN"). Empty: only this
	// machine may make codes.
	Token string
	// Logger; nil: discarded.
	Logger *slog.Logger
}

// Handler serves the requests of the package's comment.
func (s *Service) Handler(cfg HandlerConfig) http.Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /code", func(w http.ResponseWriter, r *http.Request) {
		if !bearer.FromOwner(r, cfg.Token) {
			refuse(w, http.StatusUnauthorized, "codes are made by the stream's source: its token is missing or wrong")
			return
		}
		old := r.URL.Query().Get("_rotate")
		var rec Record
		var err error
		if old == "" {
			rec, err = s.Create(r.Context())
		} else {
			rec, err = s.Rotate(r.Context(), old)
		}
		if err != nil {
			fail(w, cfg.Logger, err)
			return
		}
		k := rec.Newest()
		a := answer{Code: rec.Code, Expire: rec.Expire.Unix(), Key: hex.EncodeToString(k.Secret[:])}
		if old != "" {
			a.ID = k.ID
		}
		reply(w, http.StatusOK, a)
	})
	mux.HandleFunc("GET /code/{code}", func(w http.ResponseWriter, r *http.Request) {
		rec, err := s.Lookup(r.Context(), r.PathValue("code"))
		if err != nil {
			fail(w, cfg.Logger, err)
			return
		}
		k := rec.Newest()
		a := answer{Key: hex.EncodeToString(k.Secret[:])}
		if r.URL.Query().Has("_keys") {
			a.ID, a.Expire, a.Refresh = k.ID, rec.Expire.Unix(), max(1, int(Lead(s.lifetime).Seconds())/2)
			for _, k := range rec.Keys {
				a.Keys = append(a.Keys, keyAnswer{k.ID, hex.EncodeToString(k.Secret[:])})
			}
		}
		reply(w, http.StatusOK, a)
	})
	return mux
}

func fail(w http.ResponseWriter, log *slog.Logger, err error) {
	switch {
	case errors.Is(err, ErrNoCode):
		refuse(w, http.StatusNotFound, err.Error())
	case errors.Is(err, ErrFull):
		log.Error("key service", "err", err)
		refuse(w, http.StatusServiceUnavailable, err.Error())
	default:
		log.Error("key service", "err", err)
		refuse(w, http.StatusServiceUnavailable, "the key service cannot reach its store: try again")
	}
}

func refuse(w http.ResponseWriter, status int, why string) {
	reply(w, status, map[string]string{"error": why})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Access-Control-Allow-Origin", "*") // viewers in browsers look keys up too
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// readKey reads 64 hex digits.
func readKey(id uint32, s string) (chunk.StreamKey, error) {
	k := chunk.StreamKey{ID: id}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != chunk.KeySize {
		return k, errors.New("the key service answered with a key that is not 64 hex digits")
	}
	copy(k.Secret[:], b)
	return k, nil
}
