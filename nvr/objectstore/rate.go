// SPDX-License-Identifier: LGPL-2.1-or-later

package objectstore

import (
	"context"
	"io"
	"net/http"

	"golang.org/x/time/rate"
)

// throttled sends the bodies of all requests together no faster than a limit.
type throttled struct {
	http.RoundTripper
	l *rate.Limiter
}

// rateBurst is how much is sent at once under a limit.
const rateBurst = 64 << 10

// throttle gives base itself where there is no limit.
func throttle(base http.RoundTripper, bytesPerSecond int64) http.RoundTripper {
	if bytesPerSecond <= 0 {
		return base
	}
	return &throttled{base, rate.NewLimiter(rate.Limit(bytesPerSecond), rateBurst)}
}

func (t *throttled) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody {
		slow := req.Clone(req.Context())
		slow.Body = &slowBody{req.Body, req.Context(), t.l}
		req = slow
	}
	return t.RoundTripper.RoundTrip(req)
}

type slowBody struct {
	io.ReadCloser
	ctx context.Context
	l   *rate.Limiter
}

func (s *slowBody) Read(b []byte) (int, error) {
	n, err := s.ReadCloser.Read(b[:min(len(b), rateBurst)])
	if n > 0 {
		if werr := s.l.WaitN(s.ctx, n); werr != nil {
			return n, werr
		}
	}
	return n, err
}
