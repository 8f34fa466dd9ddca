// SPDX-License-Identifier: LGPL-2.1-or-later

package chunk

import (
	"bytes"
	"crypto/ed25519"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
)

var testKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

func testVerifier() *Verifier {
	return NewVerifier(testKey.Public().(ed25519.PublicKey), "stream")
}

// made is what a packager has made.
type made struct {
	epochs []*Epoch
	chunks []*Chunk
}

func newTestPackager(m *made) *Packager {
	return NewPackager(PackagerConfig{
		Key: testKey, Stream: "stream", First: 1000, Number: 1,
		Begin: func(e *Epoch) { m.epochs = append(m.epochs, e) },
		Emit:  func(c *Chunk) { m.chunks = append(m.chunks, c) },
	})
}

// epochOf is the epoch of a chunk.
func (m *made) epochOf(c *Chunk) *Epoch {
	for _, e := range m.epochs {
		if e.Number == c.Epoch {
			return e
		}
	}
	return nil
}

// each gives a file's tags to f with their units.
func each(t testing.TB, b []byte, f func(*flv.Tag, *demux.Unit)) {
	t.Helper()
	r := flv.NewReader(bytes.NewReader(b), flv.Options{Strict: true})
	var tag flv.Tag
	var unit demux.Unit
	for {
		err := r.Next(&tag, &unit)
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		f(&tag, &unit)
	}
}

// pack gives a file's tags to a packager as a camera would.
func pack(t testing.TB, p *Packager, file []byte, from time.Time) {
	t.Helper()
	each(t, file, func(tag *flv.Tag, u *demux.Unit) { p.Put(tag, u, from.Add(u.DTS)) })
	p.Flush()
}

// assemble makes a stream of chunks.
func (m *made) assemble(t testing.TB, a *Assembler, chunks []*Chunk) []byte {
	t.Helper()
	var out []byte
	for _, c := range chunks {
		var err error
		if out, err = a.Append(out, c, m.epochOf(c)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func noKeys(uint32) (StreamKey, bool) { return StreamKey{}, false }

// item is what a tag is, but for where its clock begins.
type item struct {
	typ     flv.TagType
	ms      uint32
	config  bool
	payload string
}

func items(t testing.TB, b []byte) (l []item) {
	t.Helper()
	each(t, b, func(tag *flv.Tag, u *demux.Unit) {
		l = append(l, item{tag.Type, tag.Timestamp, u.Config, string(tag.Payload)})
	})
	return l
}

// media leaves out what an epoch carries and what comes before the first picture (or,
// where there is none, the first sound), and counts time from there.
func media(l []item) (out []item) {
	first := flv.TagAudio
	if slices.ContainsFunc(l, func(i item) bool { return i.typ == flv.TagVideo }) {
		first = flv.TagVideo
	}
	for _, i := range l {
		if !i.config && i.typ != flv.TagScript && (len(out) > 0 || i.typ == first) {
			out = append(out, i)
		}
	}
	if len(out) > 0 {
		start := out[0].ms
		for i := range out {
			out[i].ms -= start
		}
	}
	return out
}

func readFile(t testing.TB, kind testmedia.Kind, seconds int, o testmedia.Options) []byte {
	t.Helper()
	b, err := os.ReadFile(testmedia.FLV(t, kind, seconds, o))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
