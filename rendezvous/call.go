// SPDX-License-Identifier: LGPL-2.1-or-later

package rendezvous

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// A call is the exchange of signals for one link, from a viewer to a device.
// What the signals say is the link's business.
type envelope struct {
	Link string `json:"link"` // the link's id
	// Inbox is where signals to the viewer go; only in an offer.
	Inbox string          `json:"inbox,omitempty"`
	Body  json.RawMessage `json:"body,omitempty"`
	// Code and Error are a device's refusal; only in an answer.
	Code  int    `json:"code,omitempty"`
	Error string `json:"error,omitempty"`
}

// maxSignal bounds a message; longer ones are dropped.
const maxSignal = 16 << 10

// Refusal is a device's no to an offer. Code is the X-P2P result code.
type Refusal struct {
	Code   int
	Reason string
}

func (r *Refusal) Error() string { return r.Reason }

// Call is the viewer's side.
type Call struct {
	c      *Client
	sub    *nats.Subscription
	id     string
	signal string // the device's subject for later signals
}

// Call opens a call: from now on onSignal receives the device's signals, in order
// and one at a time.
func (c *Client) Call(linkID, product, device string, onSignal func(body []byte)) (*Call, error) {
	if err := errors.Join(ValidName("product", product), ValidName("device", device)); err != nil {
		return nil, err
	}
	sub, err := c.nc.Subscribe(c.inbox+".link."+linkID, func(m *nats.Msg) {
		if len(m.Data) <= maxSignal {
			onSignal(m.Data)
		}
	})
	if err != nil {
		return nil, requestError(err)
	}
	return &Call{c: c, sub: sub, id: linkID, signal: c.subjects.Device(product, device, VerbSignal)}, nil
}

// Offer asks the device to begin the link and returns its answer. The error is
// ErrNoDevice where it is not online, or a *Refusal.
func (k *Call) Offer(ctx context.Context, product, device string, offer []byte) (answer []byte, err error) {
	b, err := json.Marshal(envelope{Link: k.id, Inbox: k.sub.Subject, Body: offer})
	if err != nil {
		return nil, err
	}
	msg, err := k.c.nc.RequestWithContext(ctx, k.c.subjects.Device(product, device, VerbOffer), b)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, fmt.Errorf("%w: %s/%s is not registered at the rendezvous now", ErrNoDevice, product, device)
	}
	if err != nil {
		return nil, requestError(err)
	}
	var a envelope
	if err := json.Unmarshal(msg.Data, &a); err != nil {
		return nil, fmt.Errorf("the device's answer: %w", err)
	}
	if a.Error != "" {
		return nil, &Refusal{a.Code, a.Error}
	}
	return a.Body, nil
}

// Send sends a signal to the device.
func (k *Call) Send(body []byte) error {
	b, err := json.Marshal(envelope{Link: k.id, Body: body})
	if err != nil {
		return err
	}
	return k.c.nc.Publish(k.signal, b)
}

// Close ends the call; the link that it began goes on.
func (k *Call) Close() error { return k.sub.Unsubscribe() }

// Answerer is the device's side of calls.
type Answerer interface {
	// Offer decides on an offer. send signals back to the viewer, also later. A
	// *Refusal reaches the viewer with its code. It must not block for long.
	Offer(linkID string, body []byte, send func(body []byte) error) (answer []byte, err error)
	// Signal is a later signal of a viewer.
	Signal(linkID string, body []byte)
}

// AliveEvery is how often a device says that it is there (reference/xp2p.md §5: every 5 to 10 s).
const AliveEvery = 8 * time.Second

// Alive is a device's keep-alive message.
type Alive struct {
	Version string `json:"version"`
	Gone    bool   `json:"gone,omitempty"` // goodbye
}

// Serve answers calls for the client's device until ctx ends. Offers and signals
// reach a in the order in which they were sent, one at a time. ready (may be nil) is
// called once, when viewers can reach the device.
func (c *Client) Serve(ctx context.Context, version string, a Answerer, ready func()) error {
	d := c.cfg.Device
	if d == nil {
		return errors.New("rendezvous: not a device's connection")
	}
	sub, err := c.nc.Subscribe(c.subjects.Device(d.Product, d.Name, "*"), func(m *nats.Msg) { c.answer(m, a) })
	if err != nil {
		return requestError(err)
	}
	defer sub.Unsubscribe()
	alive := func(gone bool) error {
		b, err := json.Marshal(Alive{Version: version, Gone: gone})
		if err != nil {
			return err
		}
		return c.nc.Publish(c.subjects.Device(d.Product, d.Name, VerbAlive), b)
	}
	// The subscription must have reached the server before the device calls itself ready.
	if err := errors.Join(alive(false), c.nc.FlushTimeout(dialTimeout)); err != nil {
		return requestError(err)
	}
	if ready != nil {
		ready()
	}
	t := time.NewTicker(AliveEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			alive(false) // what cannot be sent now is sent on the next tick
		case <-ctx.Done():
			alive(true)
			c.nc.FlushTimeout(time.Second)
			return nil
		}
	}
}

func (c *Client) answer(m *nats.Msg, a Answerer) {
	_, _, _, verb, ok := DeviceOf(m.Subject)
	var e envelope
	if !ok || len(m.Data) > maxSignal || json.Unmarshal(m.Data, &e) != nil || ValidName("link", e.Link) != nil {
		return
	}
	switch verb {
	case VerbSignal:
		a.Signal(e.Link, e.Body)
	case VerbOffer:
		to := e.Inbox
		answer, err := a.Offer(e.Link, e.Body, func(body []byte) error { return c.nc.Publish(to, body) })
		r := envelope{Link: e.Link, Body: answer}
		if err != nil {
			r.Error, r.Body = err.Error(), nil
			var refusal *Refusal
			if errors.As(err, &refusal) {
				r.Code = refusal.Code
			}
		}
		if b, err := json.Marshal(r); err == nil {
			m.Respond(b)
		}
	}
}
