// SPDX-License-Identifier: LGPL-2.1-or-later

package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ResponderConfig configures Respond. It is copied.
type ResponderConfig struct {
	// Port on which probes arrive; 0: DefaultPort.
	Port uint16
	// Product and Device of the camera.
	Product string
	Device  string
	// Link is where the camera is reached. With an unspecified address, the address
	// that the sender of a probe can use is found for each; with a loopback address,
	// only probes of this machine are answered.
	Link netip.AddrPort
	// Logger; nil: discarded.
	Logger *slog.Logger
}

// Responder answers probes for one camera.
type Responder struct {
	cfg   ResponderConfig
	conn  *net.UDPConn
	limit *limiter
	wg    sync.WaitGroup

	answered, ignored atomic.Uint64
}

// Respond begins to answer probes. Several responders on one machine, one for
// each camera, share the port: a broadcast reaches all of them, a probe to one
// address only one.
func Respond(cfg ResponderConfig) (*Responder, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Port == 0 {
		cfg.Port = DefaultPort
	}
	if !validName(cfg.Product) || !validName(cfg.Device) || cfg.Link.Port() == 0 {
		return nil, fmt.Errorf("discovery: %q/%q at %s is not a camera that can be found", cfg.Product, cfg.Device, cfg.Link)
	}
	lc := net.ListenConfig{Control: shareAddress}
	// Broadcasts are heard on the unspecified address alone.
	c, err := lc.ListenPacket(context.Background(), "udp4", fmt.Sprintf("0.0.0.0:%d", cfg.Port))
	if err != nil {
		return nil, fmt.Errorf("listen for LAN probes: %w", err)
	}
	r := &Responder{cfg: cfg, conn: c.(*net.UDPConn), limit: newLimiter()}
	r.wg.Add(1)
	go r.run()
	return r, nil
}

func shareAddress(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}); e != nil {
		return e
	}
	return err
}

// readPause follows a failed read, so that a broken network does not become a busy loop.
const readPause = 50 * time.Millisecond

func (r *Responder) run() {
	defer r.wg.Done()
	buf := make([]byte, MaxPacket+1) // one more: a longer packet is noticed
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(readPause)
			continue
		}
		answer, err := r.answer(buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), time.Now())
		if err != nil {
			r.cfg.Logger.Debug("LAN probe ignored", "from", from, "err", err)
		}
		if answer == nil {
			r.ignored.Add(1)
			continue
		}
		if _, err := r.conn.WriteToUDPAddrPort(answer, from); err != nil {
			r.cfg.Logger.Debug("LAN answer", "to", from, "err", err)
			continue
		}
		r.answered.Add(1)
	}
}

var errFlood = errors.New("too many probes")

// answer is the packet to send back, nil for none.
func (r *Responder) answer(b []byte, from netip.AddrPort, now time.Time) ([]byte, error) {
	if r.cfg.Link.Addr().IsLoopback() && !from.Addr().IsLoopback() {
		return nil, nil
	}
	p, err := ParseProbe(b)
	if err != nil {
		return nil, err
	}
	if !p.Asks(r.cfg.Product, r.cfg.Device) {
		return nil, nil
	}
	if !r.limit.allow(from.Addr(), now) {
		return nil, errFlood
	}
	return Answer{
		Version: p.Version, Token: p.Token, Time: now.Unix(),
		Product: r.cfg.Product, Device: r.cfg.Device, Address: r.address(from), Port: r.cfg.Link.Port(),
	}.Append(nil)
}

// address is the camera's as seen by whoever is at from; invalid where that cannot be told.
func (r *Responder) address(from netip.AddrPort) netip.Addr {
	if a := r.cfg.Link.Addr(); a.IsValid() && !a.IsUnspecified() {
		return a.Unmap()
	}
	// Connecting a UDP socket sends nothing: the kernel looks up its route.
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(from))
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// Counts are the probes that were answered and the packets that were ignored.
func (r *Responder) Counts() (answered, ignored uint64) { return r.answered.Load(), r.ignored.Load() }

// Close ends the responder and waits for it.
func (r *Responder) Close() error {
	err := r.conn.Close()
	r.wg.Wait()
	return err
}
