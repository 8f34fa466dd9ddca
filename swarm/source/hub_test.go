// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/wire"
)

// What begins far behind the chunks before, as another leader's run, reaches those who have
// all so far from its first chunk on, one by one.
func TestHubAcrossRuns(t *testing.T) {
	h := newHub()
	var c cursor
	for s := range chunk.Stripes {
		h.subscribe(&c, s, 1<<20)
	}
	var sent, got []uint64
	for run := range uint64(3) {
		p := chunk.NewPackager(chunk.PackagerConfig{Key: testKey, Stream: path, First: (1 + run) << 20, Number: uint32(run + 1), Begin: h.begin,
			Emit: func(k *chunk.Chunk) { sent = append(sent, k.Sequence); h.put(k) }})
		for i := range 20 {
			tag := flv.Tag{Type: flv.TagVideo, Timestamp: uint32(60 * i), Payload: []byte{0x17, 1, 0, 0, 0}}
			tag.Raw = flv.AppendTag(nil, tag.Type, tag.Timestamp, tag.Payload)
			p.Put(&tag, &demux.Unit{Kind: demux.Video, Key: i == 0, DTS: time.Duration(60*i) * time.Millisecond}, time.Now())
			b, _, _ := h.take(nil, &c)
			for r := wire.NewReader(bytes.NewReader(b)); ; {
				typ, body, err := r.Next()
				if err != nil {
					break
				}
				if typ == wire.TypeChunk {
					k, err := chunk.Parse(body)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, k.Sequence)
				}
			}
		}
	}
	if !slices.Equal(got, sent) || len(got) < 50 {
		t.Errorf("sent were\n%d\nand a viewer got\n%d", sent, got)
	}
}
