// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/xp2p/xp2p/swarm/wire"
)

const (
	// maxMirrors bounds the mirrors of a stream, and maxSources the URLs that a viewer is told.
	maxMirrors = 64
	maxSources = 8
	maxURL     = 500
)

// mirrored is another source that has this one's chunks.
type mirrored struct {
	url           string
	viewers, most int // as it said last, and those that were sent there since
}

func (x *mirrored) hear(body []byte) error {
	var r wire.Report
	if err := wire.ParseJSON(body, &r); err != nil {
		return err
	}
	x.viewers, x.most = max(r.Used, 0), max(r.Slots, 0)
	return nil
}

func checkMirror(j wire.Join, owner bool) error {
	u, err := url.Parse(j.Mirror)
	switch {
	case !owner:
		return errors.New("mirrors are for the source's owner: the token is missing or wrong")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || len(j.Mirror) > maxURL:
		return errors.New("the mirror's URL is not that of a stream (https://HOST/live/a.flv)")
	}
	return nil
}

// enter makes a viewer known, or a mirror by its URL. More mirrors than maxMirrors are not
// told to anybody.
func (m *room) enter(v *viewer, mirror string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.viewers[v.token] = v
	if mirror != "" && len(m.mirrors) < maxMirrors {
		m.mirrors[v] = &mirrored{url: mirror, most: m.s.maxViewers} // until it says
	}
}

// len is how many viewers of the swarm there are.
func (m *room) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.viewers) - len(m.mirrors)
}

// direct is where a viewer that comes new is better off, with its query; empty: here. One
// that comes back has chosen.
func (m *room) direct(j wire.Join, r *http.Request) string {
	if j.From != 0 {
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var best *mirrored
	for _, x := range m.mirrors {
		if x.most > x.viewers && (best == nil || x.viewers < best.viewers || x.viewers == best.viewers && x.url < best.url) {
			best = x
		}
	}
	if best == nil || best.viewers >= len(m.viewers)-len(m.mirrors) {
		return ""
	}
	best.viewers++
	return best.url + "?" + r.URL.RawQuery
}

// others are the URLs at which viewers can go on when this source is gone.
func (m *room) others(id identity) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := slices.Clone(id.others)
	for _, x := range m.mirrors {
		l = append(l, x.url)
	}
	return l[:min(len(l), maxSources)]
}
