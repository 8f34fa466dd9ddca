// SPDX-License-Identifier: LGPL-2.1-or-later

package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/xp2p/xp2p/swarm/chunk"
)

// maxAnswer bounds what a key service may say, in bytes.
const maxAnswer = 16 << 10

// Client is a key service elsewhere. It is an Issuer.
type Client struct {
	// URL of the service, up to and with "/code".
	URL string
	// Token for POST; empty: none.
	Token string
	// HTTP; nil: http.DefaultClient.
	HTTP *http.Client
}

// Create implements Issuer.
func (c *Client) Create(ctx context.Context) (Record, error) { return c.post(ctx, "", 1) }

// Rotate implements Issuer.
func (c *Client) Rotate(ctx context.Context, code string) (Record, error) {
	return c.post(ctx, "?"+url.Values{"_rotate": {code}}.Encode(), 0)
}

// Lookup implements Issuer. A service that does not number its keys is an error: who
// shares a stream with others must know which key they use.
func (c *Client) Lookup(ctx context.Context, code string) (Record, error) {
	if !isCode(code) {
		return Record{}, ErrNoCode
	}
	a, err := Fetch(ctx, c.HTTP, strings.TrimSuffix(c.URL, "/")+"/"+code)
	if err != nil {
		return Record{}, err
	}
	if a.Keys[0].ID == 0 {
		return Record{}, errors.New("the key service does not number its keys: sources cannot share a stream by it")
	}
	return Record{Code: code, Keys: a.Keys}, nil
}

func (c *Client) post(ctx context.Context, query string, id uint32) (Record, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+query, nil)
	if err != nil {
		return Record{}, withoutURL(err)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	a, err := do(c.HTTP, req)
	if err != nil {
		return Record{}, err
	}
	if a.ID != 0 {
		id = a.ID
	}
	if id == 0 || !isCode(a.Code) {
		return Record{}, errors.New("the key service answered without a code or the key's id")
	}
	k, err := readKey(id, a.Key)
	return Record{Code: a.Code, Expire: time.Unix(a.Expire, 0), Keys: []chunk.StreamKey{k}}, err
}

// Answer is what a viewer learns from a key service.
type Answer struct {
	// Keys of the stream. One with ID 0 is of a service that does not number them: it
	// is the key for whatever id a chunk names.
	Keys []chunk.StreamKey
	// Refresh is when to ask again; 0: when a key is missing.
	Refresh time.Duration
}

// Fetch looks keys up: codeURL is the original's streamInfo.codeUrl, with the code in
// its path. The error is ErrNoCode where the service does not (or no longer) know it.
func Fetch(ctx context.Context, client *http.Client, codeURL string) (Answer, error) {
	u, err := url.Parse(codeURL)
	if err != nil {
		return Answer{}, fmt.Errorf("codeUrl: %w", withoutURL(err))
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return Answer{}, errors.New("codeUrl is not an http or https URL (https://HOST/code/CODE)")
	}
	q := u.Query()
	q.Set("_keys", "1")
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return Answer{}, withoutURL(err)
	}
	a, err := do(client, req)
	if err != nil {
		return Answer{}, err
	}
	if len(a.Keys) == 0 {
		a.Keys = []keyAnswer{{0, a.Key}}
	}
	out := Answer{Refresh: time.Duration(min(max(a.Refresh, 0), 3600)) * time.Second}
	for _, k := range a.Keys[:min(len(a.Keys), maxKeys)] {
		key, err := readKey(k.ID, k.Key)
		if err != nil {
			return Answer{}, err
		}
		out.Keys = append(out.Keys, key)
	}
	return out, nil
}

func do(client *http.Client, req *http.Request) (answer, error) {
	if client == nil {
		client = http.DefaultClient
	}
	var a answer
	res, err := client.Do(req)
	if err != nil {
		return a, fmt.Errorf("key service: %w", withoutURL(err))
	}
	defer res.Body.Close()
	body := io.LimitReader(res.Body, maxAnswer)
	if res.StatusCode != http.StatusOK {
		io.Copy(io.Discard, body)
		if res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone {
			return a, ErrNoCode
		}
		return a, fmt.Errorf("the key service answered %s", res.Status)
	}
	if err := json.NewDecoder(body).Decode(&a); err != nil {
		return a, fmt.Errorf("the key service's answer: %w", err)
	}
	return a, nil
}

// withoutURL is what went wrong without the URL, which may hold a code.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
