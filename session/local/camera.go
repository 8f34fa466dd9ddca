// SPDX-License-Identifier: LGPL-2.1-or-later

package local

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/xp2p/xp2p/session"
)

// camera is one camera and the service that all its requests share.
type camera struct {
	key, product, device string
	start                func(context.Context) (*session.Service, error)
	idle                 time.Duration
	log                  *slog.Logger
	traffic              traffic

	// token guards all below. Whoever holds it may be connecting, so it is waited for
	// with a context where somebody may lose patience.
	token  chan struct{}
	svc    *session.Service // nil: not connected
	users  int
	expiry *time.Timer // ends svc when nobody came back; nil: none runs
	closed bool
	wg     sync.WaitGroup // expiry's
}

func newCamera(product, device string, idle time.Duration, log *slog.Logger) *camera {
	return &camera{key: product + "_" + device, product: product, device: device, idle: idle, log: log, token: make(chan struct{}, 1)}
}

var errClosed = &session.Error{Op: "request", Code: session.NoService, Err: errors.New("the local server is going off")}

// use gives the camera's service, started where there is none. Its user calls
// release when it is done with it.
func (c *camera) use(ctx context.Context) (svc *session.Service, release func(), err error) {
	select {
	case c.token <- struct{}{}:
		defer func() { <-c.token }()
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	if c.closed {
		return nil, nil, errClosed
	}
	if c.svc == nil {
		if c.svc, err = c.start(ctx); err != nil {
			c.svc = nil
			return nil, nil, err
		}
		c.log.Info("camera connected", "camera", c.key, "path", c.svc.Path().Path)
	}
	c.users++
	c.cancelExpiry()
	return c.svc, sync.OnceFunc(c.release), nil
}

func (c *camera) release() {
	c.token <- struct{}{}
	defer func() { <-c.token }()
	if c.users--; c.users > 0 || c.closed {
		return
	}
	c.wg.Add(1)
	c.expiry = time.AfterFunc(c.idle, func() {
		defer c.wg.Done()
		c.expire()
	})
}

// cancelExpiry keeps the service; one that fires at this moment finds users.
func (c *camera) cancelExpiry() {
	if c.expiry != nil && c.expiry.Stop() {
		c.wg.Done()
	}
	c.expiry = nil
}

func (c *camera) expire() {
	c.token <- struct{}{}
	defer func() { <-c.token }()
	if c.users > 0 || c.svc == nil || c.closed {
		return
	}
	c.svc.Close()
	c.svc = nil
	c.log.Info("camera is idle: disconnected", "camera", c.key)
}

// connected says whether there is a service now; false too while one is made.
func (c *camera) connected() bool {
	select {
	case c.token <- struct{}{}:
		defer func() { <-c.token }()
		return c.svc != nil
	default:
		return false
	}
}

func (c *camera) close() {
	c.token <- struct{}{}
	c.closed = true
	c.cancelExpiry()
	svc := c.svc
	c.svc = nil
	<-c.token
	if svc != nil {
		svc.Close()
	}
	c.wg.Wait()
}
