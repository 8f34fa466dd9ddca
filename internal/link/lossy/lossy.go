// SPDX-License-Identifier: LGPL-2.1-or-later

// Package lossy is a bad network within the process: it stands between a
// link's socket and the kernel and loses, delays and rations what is sent. Which
// packet is lost follows from the seed alone, so that a failure repeats.
package lossy

import (
	"container/heap"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Config is what the network does to each datagram, in one direction.
type Config struct {
	Seed   uint64
	Loss   float64       // probability, 0 to 1
	Delay  time.Duration // one way
	Jitter time.Duration // added to Delay, uniform in 0 to Jitter; may reorder
	Rate   float64       // bytes per second; 0: unlimited
	Queue  time.Duration // with Rate: how long a datagram may wait before it is dropped; 0: 200 ms
}

// Network impairs the sending side of one socket.
type Network struct {
	cfg Config
	out *net.UDPConn

	down atomic.Bool // nothing passes

	mu     sync.Mutex
	rng    *rand.Rand
	free   time.Time // when the rationed wire is free again
	queue  packets
	seq    uint64
	wake   chan struct{}
	done   chan struct{}
	once   sync.Once
	joined sync.WaitGroup

	sent, dropped atomic.Uint64
}

// New starts a network in front of out.
func New(out *net.UDPConn, cfg Config) *Network {
	if cfg.Queue == 0 {
		cfg.Queue = 200 * time.Millisecond
	}
	n := &Network{cfg: cfg, out: out, rng: rand.New(rand.NewPCG(cfg.Seed, 1)), wake: make(chan struct{}, 1), done: make(chan struct{})}
	n.joined.Add(1)
	go n.deliver()
	return n
}

// SetDown cuts the network or mends it.
func (n *Network) SetDown(down bool) { n.down.Store(down) }

// Counts are the datagrams sent so far and, of these, the lost ones.
func (n *Network) Counts() (sent, lost uint64) { return n.sent.Load(), n.dropped.Load() }

// WriteMsgUDP takes one datagram, or several in one buffer (UDP_SEGMENT in oob).
func (n *Network) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (int, int, error) {
	seg := segment(oob, len(b))
	for rest := b; len(rest) > 0; {
		k := min(seg, len(rest))
		n.one(rest[:k], addr)
		rest = rest[k:]
	}
	return len(b), len(oob), nil
}

func (n *Network) one(b []byte, addr *net.UDPAddr) {
	n.sent.Add(1)
	n.mu.Lock()
	defer n.mu.Unlock()
	lost := n.rng.Float64() < n.cfg.Loss // drawn for every packet: the sequence does not depend on timing
	jitter := time.Duration(n.rng.Float64() * float64(n.cfg.Jitter))
	now := time.Now()
	due := now
	if n.cfg.Rate > 0 {
		if n.free.Before(now) {
			n.free = now
		}
		if n.free.Sub(now) > n.cfg.Queue {
			lost = true
		} else {
			n.free = n.free.Add(time.Duration(float64(len(b)+28) / n.cfg.Rate * float64(time.Second)))
			due = n.free
		}
	}
	if lost || n.down.Load() {
		n.dropped.Add(1)
		return
	}
	n.seq++
	heap.Push(&n.queue, packet{b: append([]byte(nil), b...), addr: addr, due: due.Add(n.cfg.Delay + jitter), seq: n.seq})
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *Network) deliver() {
	defer n.joined.Done()
	t := time.NewTimer(time.Hour)
	defer t.Stop()
	for {
		n.mu.Lock()
		wait := time.Hour
		for len(n.queue) > 0 {
			if wait = time.Until(n.queue[0].due); wait > 0 {
				break
			}
			p := heap.Pop(&n.queue).(packet)
			n.mu.Unlock()
			n.out.WriteToUDP(p.b, p.addr)
			n.mu.Lock()
			wait = time.Hour
		}
		n.mu.Unlock()
		t.Reset(wait)
		select {
		case <-t.C:
		case <-n.wake:
		case <-n.done:
			return
		}
	}
}

// Close drops what is still under way.
func (n *Network) Close() error {
	n.once.Do(func() { close(n.done) })
	n.joined.Wait()
	return nil
}

type packet struct {
	b    []byte
	addr *net.UDPAddr
	due  time.Time
	seq  uint64
}

type packets []packet

func (q packets) Len() int { return len(q) }
func (q packets) Less(i, j int) bool {
	if q[i].due.Equal(q[j].due) {
		return q[i].seq < q[j].seq
	}
	return q[i].due.Before(q[j].due)
}
func (q packets) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *packets) Push(x any)   { *q = append(*q, x.(packet)) }
func (q *packets) Pop() any {
	old := *q
	p := old[len(old)-1]
	*q = old[:len(old)-1]
	return p
}

func segment(oob []byte, n int) int {
	for len(oob) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		if h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_SEGMENT && len(data) >= 2 {
			return max(1, int(binary.NativeEndian.Uint16(data)))
		}
		oob = rest
	}
	return n
}
