// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/internal/link"
)

// grantCheck is how often the grants of standing links are looked at: so soon a
// revoked or expired one ends what it allowed.
const grantCheck = time.Second

// guests are the links that were admitted, each with the grant that it showed.
// There are at most maxLinks on each way in.
type guests struct {
	mu     sync.Mutex
	grants map[*link.Link]*grant.Grant
	closed bool
	wg     sync.WaitGroup
}

// enter books a link in until it closes; false when nobody is let in any more.
func (g *guests) enter(l *link.Link, by *grant.Grant) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	if g.grants == nil {
		g.grants = map[*link.Link]*grant.Grant{}
	}
	g.grants[l] = by
	g.wg.Go(func() {
		<-l.Done()
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.grants, l)
	})
	return true
}

// expel ends the links whose grants no longer hold.
func (g *guests) expel(holds func(*grant.Grant) error) (ended int) {
	g.mu.Lock()
	all := maps.Clone(g.grants)
	g.mu.Unlock()
	for l, by := range all {
		if err := holds(by); err != nil {
			l.End(&link.Refusal{Code: codeBadInfo, Reason: fmt.Sprintf("the camera ended the connection: %v", err)})
			ended++
		}
	}
	return ended
}

// close lets nobody in any more; wait waits for those who are in to be gone.
func (g *guests) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

func (g *guests) wait() { g.wg.Wait() }

// watchGrants expels who lost the right to be here, until ctx ends.
func (s *Server) watchGrants(ctx context.Context) {
	t := time.NewTicker(grantCheck)
	defer t.Stop()
	said := ""
	for {
		select {
		case now := <-t.C:
			if n := s.guests.expel(func(g *grant.Grant) error { return s.verify(g, now, g.Viewer) }); n > 0 {
				s.d.log.Info("links ended: their grants were revoked or have expired", "links", n)
			}
			said = s.complain(said)
		case <-ctx.Done():
			return
		}
	}
}

// complain logs once that the book of grants cannot be read, and again when the reason changes.
func (s *Server) complain(said string) string {
	if s.cfg.Grants == nil {
		return ""
	}
	err := s.cfg.Grants.Err()
	if err == nil {
		return ""
	}
	if err.Error() != said {
		s.d.log.Error("revocations are not seen any more", "err", err)
	}
	return err.Error()
}
