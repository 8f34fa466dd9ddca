// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"time"

	"github.com/xp2p/xp2p/session"
)

// retryable says whether the same attempt can succeed later. An error without a
// code is the network's, and networks recover.
func retryable(err error) bool {
	code, ok := session.CodeOf(err)
	return !ok || code.Retryable()
}

// delay is the wait after so many failures in a row, at least one.
func (o *Options) delay(failures int) time.Duration {
	limit := max(maxRetryDelay, o.RetryDelay)
	d := o.RetryDelay
	for range failures - 1 {
		if d *= 2; d >= limit {
			return limit
		}
	}
	return d
}

// again says whether to try once more after err, the last of failures in a row.
func (o *Options) again(err error, failures int) bool {
	return o.Reconnect && retryable(err) && (o.Retries < 0 || failures <= o.Retries)
}
