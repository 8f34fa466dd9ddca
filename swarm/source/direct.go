// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"errors"
	"maps"
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

// sentOn is in the query of a viewer that another source has sent here, or that found the
// one gone to which it was sent: it is not sent on.
const sentOn = "_sent"

// direct is where a viewer that comes new is better off, with its query; empty: here. One
// that comes back has chosen.
func (m *room) direct(j wire.Join, r *http.Request) string {
	q := r.URL.Query()
	if j.From != 0 || q.Has(sentOn) {
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var best *mirrored
	for _, x := range m.elsewhere() {
		if x.most > x.viewers && (best == nil || x.viewers < best.viewers || x.viewers == best.viewers && x.url < best.url) {
			best = x
		}
	}
	if best == nil || best.viewers >= len(m.viewers)-len(m.mirrors) {
		return ""
	}
	best.viewers++
	q.Set(sentOn, "1")
	return best.url + "?" + q.Encode()
}

// elsewhere are the other sources. Called with mu held.
func (m *room) elsewhere() []*mirrored {
	return slices.AppendSeq(slices.Clone(m.fellows), maps.Values(m.mirrors))
}

// meet takes the sources that lead the stream by turns with this one.
func (m *room) meet(l []*mirrored) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fellows = l
}

// others are the URLs at which viewers can go on when this source is gone.
func (m *room) others(id identity) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := slices.Clone(id.others)
	for _, x := range m.elsewhere() {
		l = append(l, x.url)
	}
	slices.Sort(l)
	l = slices.Compact(l)
	return l[:min(len(l), maxSources)]
}
