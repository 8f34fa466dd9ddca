// SPDX-License-Identifier: LGPL-2.1-or-later

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"github.com/creachadair/jrpc2"
	"github.com/xp2p/xp2p/session"
)

// Client calls a control socket. Its methods may be used by several goroutines.
type Client struct {
	rpc  *jrpc2.Client
	done chan struct{} // closed when the connection has ended
}

// Dial connects to the socket at path. Notifications go to events, which is
// called in their order and must not call the client; nil: ignored.
func Dial(ctx context.Context, path string, events func(json.RawMessage)) (*Client, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w (is xp2p nvr running?)", path, err)
	}
	c := &Client{done: make(chan struct{})}
	opts := &jrpc2.ClientOptions{OnStop: func(*jrpc2.Client, error) { close(c.done) }}
	if events != nil {
		opts.OnNotify = func(r *jrpc2.Request) {
			var raw json.RawMessage
			if r.UnmarshalParams(&raw) == nil {
				events(raw)
			}
		}
	}
	c.rpc = jrpc2.NewClient(newLineChannel(nc, 0), opts)
	return c, nil
}

// Call makes one call. params nil: none; result nil: not wanted. Errors that carry an X-P2P code are
// *CodeError.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	rsp, err := c.rpc.Call(ctx, method, params)
	if err == nil && result != nil {
		err = rsp.UnmarshalResult(result)
	}
	var e *jrpc2.Error
	if errors.As(err, &e) {
		var data errorData
		if json.Unmarshal(e.Data, &data) == nil && data.Code != 0 {
			return &CodeError{e.Message, data.Code}
		}
		return errors.New(e.Message)
	}
	return err
}

// CodeError is an answer with an X-P2P code.
type CodeError struct {
	Message string
	Code    session.Code
}

func (e *CodeError) Error() string { return e.Message }

// XP2PCode is Code, for who prints it.
func (e *CodeError) XP2PCode() int { return int(e.Code) }

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Close ends the connection.
func (c *Client) Close() error { return c.rpc.Close() }
