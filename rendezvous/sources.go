// SPDX-License-Identifier: LGPL-2.1-or-later

package rendezvous

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// SourceNews is what one of several sources of a 1vN stream says of itself. Sources of one
// stream have one key to sign with, which they prove here: so nobody else of the account
// comes among them.
type SourceNews struct {
	Stream string `json:"stream"` // its path, "/live/a.flv"
	Source
	// Want is what the source would be. Who leads says so again and again.
	Want Role `json:"want"`
	// At is when it said so, Unix milliseconds; AnnounceSource fills it in.
	At int64 `json:"at"`
}

// Source is a source of a stream.
type Source struct {
	ID  string `json:"id"`  // of one run of it, as ValidName
	URL string `json:"url"` // of the stream there
	// Viewers that it has, and Most that it can have.
	Viewers int `json:"viewers"`
	Most    int `json:"most"`
	// High is behind the newest chunk that it knows of, and Number that of the newest
	// epoch: who leads next goes on behind them.
	High   uint64 `json:"high"`
	Number uint32 `json:"number"`
}

// Role is what a source is among those of its stream.
type Role string

const (
	Follow  Role = "follow"  // it passes on what the leader cuts
	Lead    Role = "lead"    // it cuts and signs, if nobody else does
	Leading Role = "leading" // it does so already: it comes before all who would
	Gone    Role = "gone"    // it ends
)

// SourceList is the answer to SourceNews: who the sources of the stream are.
type SourceList struct {
	// Leader is the ID of the one that cuts; empty: none does now.
	Leader  string   `json:"leader,omitempty"`
	Sources []Source `json:"sources,omitempty"` // the asking one, too
	Error   string   `json:"error,omitempty"`   // why not, in words
}

const (
	// LeaseHolds is how long a leader is the leader after it said so last, AnnounceEvery
	// how often sources say what they are, and SourceHolds how long one is remembered.
	LeaseHolds    = 3 * time.Second
	AnnounceEvery = time.Second
	SourceHolds   = 5 * time.Second
	// MaxSources bounds the sources of one stream.
	MaxSources = 16

	maxNews      = 4 << 10
	maxSourceURL = 500
	newsContext  = "xp2p source 1\x00"
)

// signedNews is SourceNews on its way.
type signedNews struct {
	Key       []byte `json:"key"`
	News      []byte `json:"news"` // JSON
	Signature []byte `json:"signature"`
}

// AnnounceSource says how a source is, and asks who the others are. key is the one that
// the stream's chunks are signed with. Errors are ErrUnreachable, or what the rendezvous
// has against it.
func (c *Client) AnnounceSource(ctx context.Context, key ed25519.PrivateKey, n SourceNews) (SourceList, error) {
	if !c.Connected() { // what waits for a connection is not true any more when it stands
		return SourceList{}, fmt.Errorf("%w at %s", ErrUnreachable, c.cfg.URL)
	}
	n.At = time.Now().UnixMilli()
	b, err := SignNews(key, n)
	if err != nil {
		return SourceList{}, err
	}
	msg, err := c.nc.RequestWithContext(ctx, c.subjects.Sources(), b)
	if err != nil {
		return SourceList{}, fmt.Errorf("say to the other sources: %w", requestError(err))
	}
	var l SourceList
	if err := json.Unmarshal(msg.Data, &l); err != nil {
		return SourceList{}, fmt.Errorf("list of sources: %w", err)
	}
	if l.Error != "" {
		return SourceList{}, errors.New(l.Error)
	}
	return l, nil
}

// SignNews is n as it goes over the wire.
func SignNews(key ed25519.PrivateKey, n SourceNews) ([]byte, error) {
	b, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	return json.Marshal(signedNews{key.Public().(ed25519.PublicKey), b, ed25519.Sign(key, append([]byte(newsContext), b...))})
}

// ReadNews reads and verifies what SignNews made. group names those with the same key and
// stream: 32 hex digits.
func ReadNews(b []byte) (n SourceNews, group string, err error) {
	var s signedNews
	if len(b) > maxNews {
		return n, "", fmt.Errorf("a source's news have %d bytes, more than %d", len(b), maxNews)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return n, "", fmt.Errorf("a source's news: %w", err)
	}
	if len(s.Key) != ed25519.PublicKeySize || !ed25519.Verify(s.Key, append([]byte(newsContext), s.News...), s.Signature) {
		return n, "", errors.New("a source's news are not signed with its key")
	}
	if err := json.Unmarshal(s.News, &n); err != nil {
		return n, "", fmt.Errorf("a source's news: %w", err)
	}
	if err := n.validate(); err != nil {
		return n, "", err
	}
	sum := sha256.Sum256(append([]byte(newsContext+n.Stream+"\x00"), s.Key...))
	return n, hex.EncodeToString(sum[:16]), nil
}

func (n *SourceNews) validate() error {
	u, err := url.Parse(n.URL)
	switch {
	case !strings.HasPrefix(n.Stream, "/") || len(n.Stream) > 200:
		return errors.New("a source's stream is not a path such as /live/a.flv")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || len(n.URL) > maxSourceURL:
		return errors.New("a source's URL is not that of a stream (https://HOST/live/a.flv)")
	case n.Viewers < 0 || n.Most < 0:
		return errors.New("a source's viewers are less than none")
	case n.Want != Follow && n.Want != Lead && n.Want != Leading && n.Want != Gone:
		return fmt.Errorf("a source would be %.20q, which is no role", n.Want)
	}
	return ValidName("source", n.ID)
}
