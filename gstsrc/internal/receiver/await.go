// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"context"
	"io"
)

// await runs open and gives its result, or ctx's error as soon as ctx ends.
// What open gives after that is closed. So a call that is slow to notice its
// cancelled context holds nobody up.
func (r *Receiver) await(ctx context.Context, open func() (io.Closer, error)) (io.Closer, error) {
	type result struct {
		c   io.Closer
		err error
	}
	done := make(chan result, 1)
	taken := make(chan bool, 1)
	r.background.Go(func() {
		c, err := open()
		done <- result{c, err}
		if !<-taken && err == nil {
			c.Close()
		}
	})
	select {
	case res := <-done:
		taken <- true
		return res.c, res.err
	case <-ctx.Done():
		taken <- false
		return nil, ctx.Err()
	}
}
