// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// request makes a URL of the stream's for one of the swarm's requests.
func request(base, what, token string) string {
	u := withQuery(base, "_swarm", what)
	if token != "" {
		u = withQuery(u, "token", token)
	}
	return u
}

func withQuery(base, name, value string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base // validate, or places, has read it
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// maxSent is how often a viewer is sent on by one source to another.
const maxSent = 5

// sentError says that a source sent the viewer on, and what went wrong there.
type sentError struct{ error }

func (e *sentError) Unwrap() error { return e.error }

// ask is a POST to the source; its error is a *Refusal, ErrNotSwarm, or the network's.
func (p *Peer) ask(ctx context.Context, u string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, bytes.NewReader(body))
	if err != nil {
		return nil, withoutURL(err)
	}
	sent := false
	client := *p.cfg.HTTP
	client.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
		if sent = true; len(via) > maxSent {
			return errors.New("the sources send this viewer from one to the other")
		}
		return nil
	}
	res, err := client.Do(req)
	if err != nil {
		err = fmt.Errorf("source: %w", withoutURL(err))
		if sent {
			err = &sentError{err}
		}
		return nil, err
	}
	if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusNoContent {
		return res, nil
	}
	defer res.Body.Close()
	var r Refusal
	if json.NewDecoder(io.LimitReader(res.Body, 16<<10)).Decode(&r) == nil && r.Code != 0 && r.Reason != "" {
		return nil, &r
	}
	if res.StatusCode/100 == 4 {
		return nil, ErrNotSwarm
	}
	return nil, fmt.Errorf("the source answered %s", res.Status)
}

// withoutURL is what went wrong without the URL, which may hold a token.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
