// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/fmp4"
	"github.com/xp2p/xp2p/recorder"
)

// head is what is before the samples of a file.
type head struct {
	init   []byte // as it is sent: without tracks that HLS cannot carry, and G.711 as FLAC
	size   int64  // of the init in the file
	tracks []fmp4.Track
	lead   int64           // decoding time of the first picture, 1/90000 s: media time 0 of the index
	hidden map[uint32]bool // tracks that are not sent
	flac   flacTrack       // the track of G.711 that is sent as FLAC
}

// carried says whether HLS, as all of its players understand it, has a place for a codec.
func carried(t *fmp4.Track) bool { return t.Video() || t.Codec == demux.AAC }

func readHead(ctx context.Context, seg *recorder.Segment) (*head, error) {
	f, err := seg.OpenFile(ctx)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	init, err := fmp4.ReadInit(f, seg.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", seg.Path, err)
	}
	first, err := fmp4.ReadPartAt(f, init.Size, seg.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: first part: %w", seg.Path, err)
	}
	h := &head{size: init.Size, hidden: map[uint32]bool{}}
	for i := range init.Tracks {
		t := &init.Tracks[i]
		if carried(t) {
			h.tracks = append(h.tracks, *t)
		} else if sent, f, ok := asFLAC(t); ok && h.flac.id == 0 {
			h.tracks, h.flac = append(h.tracks, sent), f
		} else {
			h.hidden[t.ID] = true
		}
	}
	if len(h.tracks) == 0 {
		return nil, errNoCodec
	}
	lead := &first.Runs[0]
	for i := range init.Tracks {
		if t := &init.Tracks[i]; t.ID == lead.Track {
			h.lead = int64(lead.Base) * fmp4.VideoTimescale / int64(t.Timescale())
		}
	}
	if len(h.hidden) > 0 || h.flac.id != 0 {
		h.init, err = fmp4.AppendInit(nil, h.tracks)
		return h, err
	}
	h.init = make([]byte, init.Size)
	_, err = f.ReadAt(h.init, 0)
	return h, err
}

// shift is what is added to the times of the file's tracks, where t is added to those
// of the index.
func (h *head) shift(t int64) fmp4.Shift {
	return func(id uint32) (int64, bool) {
		for i := range h.tracks {
			if track := &h.tracks[i]; track.ID == id {
				return (t - h.lead) * int64(track.Timescale()) / fmp4.VideoTimescale, false
			}
		}
		return 0, true
	}
}

// codecs is the CODECS attribute (RFC 6381) of the tracks that are sent.
func (h *head) codecs() string {
	var list []string
	for i := range h.tracks {
		list = append(list, codecString(&h.tracks[i]))
	}
	return strings.Join(list, ",")
}

// codecString names a codec as RFC 6381 §3.3 and ISO/IEC 14496-15 Annex E do.
func codecString(t *fmp4.Track) string {
	c := t.Config
	switch {
	case t.Codec == demux.H264 && len(c) >= 4:
		return fmt.Sprintf("avc1.%02X%02X%02X", c[1], c[2], c[3])
	case t.Codec == demux.H265 && len(c) >= 13:
		return hevcString(c)
	case t.Codec == demux.AAC && len(c) >= 2:
		object := int(c[0] >> 3)
		if object == 31 { // escaped (ISO/IEC 14496-3 §1.6.2.1)
			object = 32 + int(c[0]&7)<<3 + int(c[1]>>5)
		}
		return fmt.Sprintf("mp4a.40.%d", object)
	case t.Codec == demux.FLAC:
		return "fLaC"
	}
	return t.Codec.String()
}

func hevcString(c []byte) string {
	var b strings.Builder
	b.WriteString("hvc1.")
	if space := c[1] >> 6; space > 0 {
		b.WriteByte('A' + space - 1)
	}
	fmt.Fprintf(&b, "%d.", c[1]&0x1f)
	var flags uint32 // in reverse order of bits
	for i := range 32 {
		if c[2+i/8]&(0x80>>(i%8)) != 0 {
			flags |= 1 << i
		}
	}
	tier := "L"
	if c[1]&0x20 != 0 {
		tier = "H"
	}
	fmt.Fprintf(&b, "%X.%s%d", flags, tier, c[12])
	last := 12
	for last > 6 && c[last-1] == 0 {
		last--
	}
	for _, constraint := range c[6:last] {
		fmt.Fprintf(&b, ".%X", constraint)
	}
	return b.String()
}

// headCache keeps the heads of files that were asked for. What is before the samples
// never changes.
type headCache struct {
	mu sync.Mutex
	m  map[string]*head // by path
}

// maxHeads is how many are kept, each of some 2 kB. When it is full all are let go.
const maxHeads = 2048

func (c *headCache) get(ctx context.Context, seg *recorder.Segment) (*head, error) {
	c.mu.Lock()
	h := c.m[seg.Path]
	c.mu.Unlock()
	if h != nil {
		return h, nil
	}
	h, err := readHead(ctx, seg)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= maxHeads {
		c.m = map[string]*head{}
	}
	c.m[seg.Path] = h
	return h, nil
}
