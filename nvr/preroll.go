// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"slices"
	"time"

	"github.com/xp2p/xp2p/demux"
)

// maxPreRoll bounds what is kept of one camera, in bytes; beyond it the oldest groups
// of pictures go, whatever the pre-roll.
const maxPreRoll = 32 << 20

// soundGroup is how long a group is where there is sound alone.
const soundGroup = time.Second

// preRoll keeps the last seconds of a stream that is not recorded, so that a recording
// can begin before what it was started for. It holds whole groups of pictures, the
// oldest of which began at least keep ago, and always the decoder configurations.
type preRoll struct {
	keep time.Duration // 0: the configurations alone

	configs [2]kept // of pictures and of sound, before the first group; empty: none
	groups  []*unitGroup
	spare   []*unitGroup // to be used again
	bytes   int
}

// unitGroup is a key picture and what came up to the next.
type unitGroup struct {
	began time.Time
	units []kept
	data  []byte // of all units
	sound bool   // there is sound alone
}

// kept is a unit whose Data is in its group's data, at off.
type kept struct {
	unit demux.Unit
	at   time.Time // when it arrived
	off  int
}

func configSlot(u *demux.Unit) int {
	if u.Kind == demux.Audio {
		return 1
	}
	return 0
}

// add keeps a unit that arrived now; its Data is copied.
func (p *preRoll) add(u *demux.Unit, now time.Time) {
	if u.Kind == demux.Data || u.EndOfSequence {
		return
	}
	p.forget(now)
	if p.keep == 0 || len(p.groups) == 0 {
		switch {
		case u.Config:
			p.configs[configSlot(u)] = owned(u, now)
			return
		case p.keep == 0:
			return
		}
	}
	if p.begins(u, now) {
		p.groups = append(p.groups, p.group(now, u.Kind == demux.Audio))
	}
	if len(p.groups) == 0 {
		return // pictures and sound before the first key picture
	}
	g := p.groups[len(p.groups)-1]
	g.units = append(g.units, kept{*u, now, len(g.data)})
	g.data = append(g.data, u.Data...)
	p.bytes += len(u.Data)
	for p.bytes > maxPreRoll && len(p.groups) > 0 {
		p.drop()
	}
}

// begins says whether a group begins with the unit.
func (p *preRoll) begins(u *demux.Unit, now time.Time) bool {
	switch {
	case u.Config:
		return false
	case u.Kind == demux.Video:
		return u.Key
	case p.configs[0].unit.Kind != 0: // there are pictures: sound goes with them
		return false
	case len(p.groups) == 0:
		return true
	}
	g := p.groups[len(p.groups)-1]
	return g.sound && now.Sub(g.began) >= soundGroup
}

func owned(u *demux.Unit, at time.Time) kept {
	k := kept{unit: *u, at: at}
	k.unit.Data = slices.Clone(u.Data)
	return k
}

func (p *preRoll) group(now time.Time, sound bool) *unitGroup {
	g := &unitGroup{}
	if n := len(p.spare); n > 0 {
		g, p.spare = p.spare[n-1], p.spare[:n-1]
	}
	g.began, g.sound = now, sound
	return g
}

// forget lets groups go that end before the pre-roll begins.
func (p *preRoll) forget(now time.Time) {
	for len(p.groups) > 1 && now.Sub(p.groups[1].began) >= p.keep {
		p.drop()
	}
}

// drop lets the oldest group go, and keeps the configurations that are in it.
func (p *preRoll) drop() {
	g := p.groups[0]
	p.groups = append(p.groups[:0], p.groups[1:]...)
	for _, k := range g.units {
		if k.unit.Config {
			k.unit.Data = g.data[k.off : k.off+len(k.unit.Data)]
			p.configs[configSlot(&k.unit)] = owned(&k.unit, k.at)
		}
	}
	p.bytes -= len(g.data)
	if len(p.spare) < 2 {
		p.spare = append(p.spare, &unitGroup{units: g.units[:0], data: g.data[:0]})
	}
}

// flush gives what is kept to f, oldest first, until f fails, and keeps the
// configurations alone. The Data that f gets is good until it returns.
func (p *preRoll) flush(f func(*demux.Unit, time.Time) error) error {
	var err error
	give := func(k *kept, data []byte) {
		if err == nil {
			k.unit.Data = data
			err = f(&k.unit, k.at)
		}
	}
	for i := range p.configs {
		if c := &p.configs[i]; c.unit.Kind != 0 {
			give(c, c.unit.Data)
		}
	}
	for _, g := range p.groups {
		for i := range g.units {
			k := &g.units[i]
			give(k, g.data[k.off:k.off+len(k.unit.Data)])
		}
	}
	for len(p.groups) > 0 {
		p.drop()
	}
	p.spare = nil // recording may go on for long
	return err
}
