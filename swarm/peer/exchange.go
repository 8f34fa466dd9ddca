// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/swarm/wire"
)

// exchangePath is the one request of a link between viewers: frames in its body and in
// that of its answer, for as long as the link stands.
const exchangePath = "/.xp2p/swarm"

const (
	// maxQueue bounds what waits for a neighbour, in bytes. With more, chunks are dropped,
	// which it then asks for elsewhere; what is no chunk is let in up to twice as much,
	// and then the link ends.
	maxQueue = 1 << 20
	maxWrite = 64 << 10
)

var errSlow = errors.New("the peer does not take what is sent to it")

// queue is what waits for a neighbour.
type queue struct {
	mu     sync.Mutex
	frames [][]byte
	sizes  []int // of the chunk in the frame; 0: it is none
	bytes  int
	// control counts the bytes of all frames that were no chunks.
	control uint64
	err     error
	wake    chan struct{} // one token
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put takes whole frames; chunk is the size of the chunk that they are, 0 if none. false:
// there is no room.
func (q *queue) put(b []byte, chunk int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	limit := 2 * maxQueue
	if chunk > 0 {
		limit = maxQueue
	}
	if q.err != nil || q.bytes+len(b) > limit {
		if chunk == 0 && q.err == nil {
			q.err = errSlow
		}
		q.poke()
		return false
	}
	q.frames, q.sizes = append(q.frames, b), append(q.sizes, chunk)
	q.bytes += len(b)
	if chunk == 0 {
		q.control += uint64(len(b))
	}
	q.poke()
	return true
}

func (q *queue) controlBytes() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.control
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take appends about maxWrite of what waits to dst, and waits for some; chunks are the
// bytes of chunks in it.
func (q *queue) take(ctx context.Context, dst []byte) (_ []byte, chunks int, err error) {
	for {
		q.mu.Lock()
		n := 0
		for n < len(q.frames) && len(dst) < maxWrite {
			dst = append(dst, q.frames[n]...)
			chunks += q.sizes[n]
			q.bytes -= len(q.frames[n])
			q.frames[n] = nil
			n++
		}
		q.frames, q.sizes = q.frames[n:], q.sizes[n:]
		err := q.err
		q.mu.Unlock()
		if err != nil {
			return nil, 0, err
		}
		if n > 0 {
			return dst, chunks, nil
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// neighbour is a link that stands.
type neighbour struct {
	*linking
	queue  *queue
	epoch  uint32 // that was sent last
	unsent int    // bytes of chunks that wait, as the node knows
}

// exchange is the exchange on a link that this side began: until it ends.
func (p *Peer) exchange(k *linking) error {
	pr, pw := io.Pipe()
	defer pr.Close()
	req, err := http.NewRequestWithContext(k.ctx, http.MethodPost, "https://peer"+exchangePath, pr)
	if err != nil {
		return err
	}
	res, err := k.link.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New("the peer answered " + res.Status)
	}
	return p.trade(k, res.Body, pw, func() error { return nil })
}

// serveExchange is the exchange on a link that the other side began.
func (p *Peer) serveExchange(k *linking, w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != exchangePath {
		http.NotFound(w, r)
		return
	}
	rc := http.NewResponseController(w)
	rc.EnableFullDuplex() // HTTP/3 always is; its error says so
	w.WriteHeader(http.StatusOK)
	if rc.Flush() != nil {
		return
	}
	err := p.trade(k, r.Body, w, rc.Flush)
	k.link.End(&link.Refusal{Code: codeNotHere, Reason: "the exchange ended"})
	p.log.Debug("exchange", "peer", k.peer, "err", err)
}

// trade reads frames and writes those of the queue, until either fails.
func (p *Peer) trade(k *linking, r io.Reader, w io.Writer, flush func() error) error {
	ctx, cancel := context.WithCancelCause(k.ctx)
	defer cancel(nil)
	n := &neighbour{linking: k, queue: newQueue()}
	added := make(chan bool, 1)
	if !p.post(ctx, func() { added <- p.enter(n) }) {
		return ctx.Err()
	}
	select {
	case ok := <-added:
		if !ok {
			return errors.New("there is a link to this peer already")
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		cancel(p.write(ctx, n, w, flush))
		k.link.End(&link.Refusal{Code: codeNotHere, Reason: "the exchange ended"}) // and with it a Read
	}()
	err := p.read(ctx, k, r)
	cancel(err)
	k.link.End(&link.Refusal{Code: codeNotHere, Reason: "the exchange ended"}) // and with it a Write
	if c, ok := w.(io.Closer); ok {
		c.Close()
	}
	<-written
	return context.Cause(ctx)
}

// enter makes a link known to the node. It is the loop's.
func (p *Peer) enter(n *neighbour) bool {
	if p.links[n.peer] != nil || n.up {
		return false
	}
	n.up = true
	p.links[n.peer] = n
	rtt := n.link.Stats().RTT
	p.node.LinkUp(p.now(), n.peer, n.ours, rtt)
	p.event(LinkUp, n.peer, nil)
	p.log.Debug("link stands", "peer", n.peer, "ours", n.ours, "path", n.link.Path().Kind, "rtt", rtt)
	return true
}

func (p *Peer) write(ctx context.Context, n *neighbour, w io.Writer, flush func() error) error {
	var buf []byte
	for {
		b, chunks, err := n.queue.take(ctx, buf[:0])
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		if err := flush(); err != nil {
			return err
		}
		if buf = b; chunks > 0 {
			p.post(ctx, func() {
				n.unsent -= chunks
				p.node.Sent(p.now(), chunks)
			})
		}
	}
}

// rttEvery is how often the node is told a link's round-trip time, in frames.
const rttEvery = 64

func (p *Peer) read(ctx context.Context, k *linking, r io.Reader) error {
	frames := wire.NewReader(r)
	for n := 0; ; n++ {
		t, body, err := frames.Next()
		if err != nil {
			return err
		}
		failed := make(chan error, 1)
		ok := p.post(ctx, func() {
			if x := p.links[k.peer]; x == nil || x.linking != k {
				failed <- errors.New("the link was ended")
				return
			}
			if n%rttEvery == 0 {
				p.node.RTT(k.peer, k.link.Stats().RTT)
			}
			err := p.frame(k.peer, t, body)
			if err != nil {
				p.pollute(k.peer, err)
			}
			failed <- err
		})
		if !ok {
			return ctx.Err()
		}
		select { // one frame of a peer at a time: who floods waits
		case err := <-failed:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
