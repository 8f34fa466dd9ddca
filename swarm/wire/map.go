// SPDX-License-Identifier: LGPL-2.1-or-later

package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/xp2p/xp2p/swarm/chunk"
)

const (
	// MaxPath is how many peers a stripe may pass on its way.
	MaxPath = 12
	mapHead = 23
	maxMap  = mapHead + chunk.Stripes*(3+2*MaxPath)
)

// Map flags.
const (
	mapUpload = 1 << iota
)

// Map is what a peer says of itself to its neighbours at a fixed rate:
//
//	flags 8 | home 8 | slots 8 | free 8 | cost, ms 16 | base 64 | have 64 | 0 8
//	and for each stripe: lag, ms 16 | hops 8 | hops × name 16
//
// It is a claim: whoever uses it looks at what really comes.
type Map struct {
	Upload bool // it takes children
	Home   int  // the stripe that it takes them for
	Slots  int  // stripes that it can upload at a time, at most 255
	Free   int  // of these, not in use
	CostMS int  // how long a chunk waits and travels on its own line: queue and transfer time

	// Base is the first sequence that Have speaks of: bit n for sequence Base+n.
	Base uint64
	Have uint64

	Stripes [chunk.Stripes]StripeMap
}

// StripeMap is how a peer gets a stripe.
type StripeMap struct {
	// LagMS is how much later than the source's own viewers it has the stripe's chunks;
	// NoLag: it does not get the stripe.
	LagMS int
	// Path are the peers from which it comes, the nearest first, by short names: empty,
	// it comes from the source.
	Path []uint16
}

// NoLag is the LagMS of a peer that does not get a stripe.
const NoLag = 1<<16 - 1

// ShortName is a peer's name in paths.
func (id PeerID) ShortName() uint16 { return uint16(id >> 48) }

// AppendMap appends a map frame. Numbers that do not fit are cut.
func AppendMap(dst []byte, m *Map) []byte {
	n := mapHead
	for i := range m.Stripes {
		n += 3 + 2*min(len(m.Stripes[i].Path), MaxPath)
	}
	dst = appendHeader(dst, TypeMap, n)
	var flags byte
	if m.Upload {
		flags |= mapUpload
	}
	dst = append(dst, flags, byte(m.Home), clampByte(m.Slots), clampByte(m.Free))
	dst = binary.BigEndian.AppendUint16(dst, clamp16(m.CostMS))
	dst = binary.BigEndian.AppendUint64(dst, m.Base)
	dst = binary.BigEndian.AppendUint64(dst, m.Have)
	dst = append(dst, 0)
	for i := range m.Stripes {
		s := &m.Stripes[i]
		path := s.Path[:min(len(s.Path), MaxPath)]
		dst = binary.BigEndian.AppendUint16(dst, clamp16(s.LagMS))
		dst = append(dst, byte(len(path)))
		for _, p := range path {
			dst = binary.BigEndian.AppendUint16(dst, p)
		}
	}
	return dst
}

// ParseMap reads the body of a map frame.
func ParseMap(b []byte) (*Map, error) {
	if len(b) < mapHead || b[1] >= chunk.Stripes {
		return nil, fmt.Errorf("%w: map of %d bytes", ErrBody, len(b))
	}
	m := &Map{Upload: b[0]&mapUpload != 0, Home: int(b[1]), Slots: int(b[2]), Free: int(b[3]), CostMS: int(binary.BigEndian.Uint16(b[4:])),
		Base: binary.BigEndian.Uint64(b[6:]), Have: binary.BigEndian.Uint64(b[14:])}
	b = b[mapHead:]
	for i := range m.Stripes {
		if len(b) < 3 || b[2] > MaxPath || len(b) < 3+2*int(b[2]) {
			return nil, fmt.Errorf("%w: the map's stripe %d", ErrBody, i)
		}
		s := &m.Stripes[i]
		s.LagMS = int(binary.BigEndian.Uint16(b))
		hops := b[3 : 3+2*int(b[2])]
		for ; len(hops) > 0; hops = hops[2:] {
			s.Path = append(s.Path, binary.BigEndian.Uint16(hops))
		}
		b = b[3+2*len(s.Path):]
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("%w: %d bytes behind the map", ErrBody, len(b))
	}
	return m, nil
}

func clampByte(n int) byte { return byte(min(max(n, 0), 255)) }

func clamp16(n int) uint16 { return uint16(min(max(n, 0), NoLag)) }
