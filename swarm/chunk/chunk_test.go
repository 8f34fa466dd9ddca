// SPDX-License-Identifier: LGPL-2.1-or-later

package chunk

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// What goes into chunks comes out of them, tag by tag, whatever the codecs, and each
// chunk is what the source signed and within the limits.
func TestRoundTrip(t *testing.T) {
	for _, kind := range testmedia.Kinds {
		for _, sealed := range []bool{false, true} {
			name := string(kind)
			if sealed {
				name += " sealed"
			}
			t.Run(name, func(t *testing.T) {
				// Key frames of a 720p test card at 3 Mbit/s are larger than a chunk.
				file := readFile(t, kind, 4, testmedia.Options{Width: 1280, Height: 720, Kbits: 3000})
				var m made
				p := newTestPackager(&m)
				key := StreamKey{ID: 3, Secret: [KeySize]byte{1, 2, 3}}
				if sealed {
					if err := p.SetKey(key); err != nil {
						t.Fatal(err)
					}
				}
				pack(t, p, file, noon)
				v := testVerifier()
				for i, c := range m.chunks {
					parsed, err := Parse(c.Bytes())
					if err != nil {
						t.Fatal(err)
					}
					if err := v.Verify(parsed); err != nil {
						t.Fatalf("chunk %d: %v", i, err)
					}
					if d := cmp.Diff(c.Header, parsed.Header); d != "" {
						t.Fatalf("chunk %d is read otherwise than written:\n%s", i, d)
					}
					if c.Sequence != 1000+uint64(i) {
						t.Fatalf("chunk %d has sequence %d", i, c.Sequence)
					}
				}
				if n := len(m.epochs); n != 1 && (n > 2 || kind != testmedia.H265Legacy && kind != testmedia.H265Enhanced) {
					t.Fatalf("%d epochs", n) // in the files with H.265 the sound's configuration is behind the first picture
				}
				if e, err := v.Epoch(m.epochs[0].Bytes()); err != nil || !bytes.Equal(e.Init, m.epochs[0].Init) || e.Sealed != sealed {
					t.Fatalf("epoch: %+v, %v", e, err)
				}
				a := NewAssembler(p.Swarm(), func(id uint32) (StreamKey, bool) { return key, id == key.ID })
				got := items(t, m.assemble(t, a, m.chunks))
				want := items(t, file)
				if kind == testmedia.AAC || kind == testmedia.ALaw { // a second of sound decides that there are no pictures
					want = slices.DeleteFunc(want, func(i item) bool { return !i.config && i.typ == flv.TagAudio && i.ms < 1000 })
				}
				if d := cmp.Diff(media(want), media(got), cmp.AllowUnexported(item{})); d != "" {
					t.Errorf("the tags differ:\n%.2000s", d)
				}
				if n, want := configs(got), configs(want)+len(m.epochs)-1; n != want { // the picture's is in both epochs
					t.Errorf("%d configurations, want %d", n, want)
				}
			})
		}
	}
}

func configs(l []item) (n int) {
	for _, i := range l {
		if i.config {
			n++
		}
	}
	return n
}

func TestKeyFramesAreSplit(t *testing.T) {
	var m made
	pack(t, newTestPackager(&m), readFile(t, testmedia.H264AAC, 4, testmedia.Options{Width: 1280, Height: 720, Kbits: 3000}), noon)
	pieces, spans := 0, 0
	for i, c := range m.chunks {
		if c.Flags&(Start|End) != Start|End {
			pieces++
		}
		if i > 0 && m.chunks[i-1].DTS != c.DTS {
			spans = max(spans, int(c.DTS-m.chunks[i-1].DTS))
		}
	}
	if pieces < 4 {
		t.Errorf("%d pieces of tags: the test shows nothing", pieces)
	}
	if limit := int(MaxSpan.Milliseconds()) + 40; spans > limit {
		t.Errorf("a chunk begins %d ms behind the one before, more than %d", spans, limit)
	}
}

// A viewer may begin at any key frame, and behind a missing chunk goes on at the next
// one; it never sees a broken tag.
func TestGaps(t *testing.T) {
	var m made
	p := newTestPackager(&m)
	pack(t, p, readFile(t, testmedia.H264AAC, 6, testmedia.Options{Width: 1280, Height: 720, Kbits: 3000, GOP: 25}), noon)
	whole := media(items(t, m.assemble(t, NewAssembler(p.Swarm(), noKeys), m.chunks)))
	for missing := range m.chunks[:len(m.chunks)-1] {
		a := NewAssembler(p.Swarm(), noKeys)
		left := slices.Delete(slices.Clone(m.chunks), missing, missing+1)
		got := items(t, m.assemble(t, a, left)) // strict: a broken tag is an error
		lost := len(whole) - len(media(got))
		if lost == 0 || lost > 110 {
			t.Fatalf("without chunk %d of %d, %d tags are lost", missing, len(m.chunks), lost)
		}
		if a.Skipped() == 0 && m.chunks[missing+1].Flags&Key == 0 {
			t.Fatalf("without chunk %d nothing was skipped", missing)
		}
	}
}

func TestForged(t *testing.T) {
	var m made
	p := newTestPackager(&m)
	if err := p.SetKey(StreamKey{ID: 1}); err != nil {
		t.Fatal(err)
	}
	pack(t, p, readFile(t, testmedia.H264AAC, 1, testmedia.Options{}), noon)
	good := m.chunks[3]
	other := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	change := func(at int, b byte) []byte {
		c := bytes.Clone(good.Bytes())
		c[at] ^= b
		return c
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want error
	}{
		{"as it is", good.Bytes(), nil},
		{"nothing", nil, ErrForm},
		{"header alone", good.Bytes()[:HeaderSize], ErrForm},
		{"cut", good.Bytes()[:len(good.Bytes())-1], ErrForm},
		{"longer", append(bytes.Clone(good.Bytes()), 0), ErrForm},
		{"magic", change(0, 1), ErrForm},
		{"stripe", change(3, 1), ErrForm},
		{"flags", change(3, byte(End)<<2), ErrSignature},
		{"swarm", change(4, 1), ErrSwarm},
		{"epoch", change(23, 1), ErrSignature},
		{"sequence", change(31, 4), ErrSignature},
		{"key id", change(35, 2), ErrSignature},
		{"DTS", change(39, 1), ErrSignature},
		{"hash", change(44, 1), ErrSum},
		{"signature", change(76, 1), ErrSignature},
		{"payload", change(HeaderSize, 1), ErrSum},
		{"another's signature", build(other, good.Header, bytes.Clone(good.Bytes())).Bytes(), ErrSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Parse(tt.b)
			if err == nil {
				err = testVerifier().Verify(c)
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestForgedEpoch(t *testing.T) {
	var m made
	pack(t, newTestPackager(&m), readFile(t, testmedia.H264AAC, 1, testmedia.Options{}), noon)
	good := m.epochs[0].Bytes()
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 1
		if _, err := testVerifier().Epoch(b); err == nil {
			t.Fatalf("an epoch with byte %d changed is taken", i)
		}
	}
	for _, b := range [][]byte{nil, good[:len(good)-1], append(bytes.Clone(good), 0)} {
		if _, err := testVerifier().Epoch(b); err == nil {
			t.Fatalf("an epoch of %d bytes is taken, %d are right", len(b), len(good))
		}
	}
}

func TestWrongKey(t *testing.T) {
	var m made
	p := newTestPackager(&m)
	if err := p.SetKey(StreamKey{ID: 1, Secret: [32]byte{1}}); err != nil {
		t.Fatal(err)
	}
	pack(t, p, readFile(t, testmedia.H264, 1, testmedia.Options{}), noon)
	for _, tt := range []struct {
		name string
		keys func(uint32) (StreamKey, bool)
		want error
	}{
		{"none", noKeys, ErrNoKey},
		{"another", func(id uint32) (StreamKey, bool) { return StreamKey{ID: id}, true }, ErrSeal},
	} {
		a := NewAssembler(p.Swarm(), tt.keys)
		if out, err := a.Append(nil, m.chunks[0], m.epochs[0]); !errors.Is(err, tt.want) || len(out) > 0 {
			t.Errorf("%s: %d bytes, %v", tt.name, len(out), err)
		}
	}
}

// An origin may begin anew, set its clock, be silent and change its configuration: the
// stream's time goes on, and each is another epoch.
func TestEpochs(t *testing.T) {
	small := readFile(t, testmedia.H264AAC, 2, testmedia.Options{})
	large := readFile(t, testmedia.H264AAC, 2, testmedia.Options{Width: 640, Height: 360})
	shift := func(p *Packager, by, late time.Duration) {
		each(t, small, func(tag *flv.Tag, u *demux.Unit) {
			v := *u
			v.DTS += by
			p.Put(tag, &v, noon.Add(2*time.Second+late+u.DTS))
		})
	}
	for _, tt := range []struct {
		name   string
		second func(*Packager)
		epochs int
	}{
		{"goes on", func(p *Packager) { shift(p, 2*time.Second, 0) }, 1},
		{"restarts", func(p *Packager) { p.Restart(); pack(t, p, small, noon.Add(3*time.Second)) }, 2},
		{"restarts with another size", func(p *Packager) { p.Restart(); pack(t, p, large, noon.Add(3*time.Second)) }, 2},
		{"changes its size", func(p *Packager) {
			each(t, large, func(tag *flv.Tag, u *demux.Unit) {
				v := *u
				v.DTS += 2 * time.Second
				p.Put(tag, &v, noon.Add(v.DTS))
			})
		}, 2},
		{"sets its clock back", func(p *Packager) { shift(p, -time.Minute, 0) }, 2},
		{"sets its clock forward", func(p *Packager) { shift(p, time.Hour, 0) }, 2},
		{"stalls", func(p *Packager) { shift(p, 2*time.Second, 10*time.Second) }, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m made
			p := newTestPackager(&m)
			pack(t, p, small, noon)
			n := len(m.chunks)
			tt.second(p)
			p.Flush()
			if len(m.epochs) != tt.epochs || len(m.chunks) == n {
				t.Fatalf("%d epochs of %d and %d chunks, want %d", len(m.epochs), n, len(m.chunks)-n, tt.epochs)
			}
			for i, c := range m.chunks[1:] {
				if c.Sequence != m.chunks[i].Sequence+1 {
					t.Fatalf("sequence %d behind %d", c.Sequence, m.chunks[i].Sequence)
				}
				if step := int32(c.DTS - m.chunks[i].DTS); step < -1000 || step > 12000 {
					t.Fatalf("time steps by %d ms", step)
				}
			}
			l := items(t, m.assemble(t, NewAssembler(p.Swarm(), noKeys), m.chunks))
			for i, x := range l[1:] {
				if step := int32(x.ms - l[i].ms); step < -1000 {
					t.Fatalf("a tag's time steps by %d ms", step)
				}
			}
			var late made
			late.epochs = m.epochs
			if got := items(t, late.assemble(t, NewAssembler(p.Swarm(), noKeys), m.chunks[n:])); configs(got) == 0 {
				t.Error("a viewer that comes late gets no configuration")
			}
		})
	}
}

// A source that runs anew counts time from 0: a viewer's stream goes on all the same.
func TestAnotherRun(t *testing.T) {
	small := readFile(t, testmedia.H264AAC, 2, testmedia.Options{})
	var m made
	p := newTestPackager(&m)
	pack(t, p, small, noon)
	again := NewPackager(PackagerConfig{Key: testKey, Stream: "stream", First: 1 << 20, Number: 100, Begin: p.cfg.Begin, Emit: p.cfg.Emit})
	pack(t, again, small, noon)
	l := items(t, m.assemble(t, NewAssembler(p.Swarm(), noKeys), m.chunks))
	last := uint32(0)
	for _, i := range l {
		if int32(i.ms-last) < -1000 {
			t.Fatalf("time steps from %d to %d ms", last, i.ms)
		}
		last = i.ms
	}
	if last < 3900 {
		t.Errorf("the last tag is at %d ms", last)
	}
}

func TestUnitWithoutPicturesYetIsLeftOut(t *testing.T) {
	file := readFile(t, testmedia.H264AAC, 3, testmedia.Options{})
	var m made
	p := newTestPackager(&m)
	first := true
	each(t, file, func(tag *flv.Tag, u *demux.Unit) {
		if u.Kind == demux.Video && u.Key && !u.Config && first {
			first = false // as if the origin was joined in the middle of a GOP
			return
		}
		p.Put(tag, u, noon.Add(u.DTS))
	})
	p.Flush()
	if c := m.chunks[0]; c.Flags&Key == 0 || c.DTS != 0 {
		t.Errorf("the stream begins with flags %#x at %d ms", c.Flags, c.DTS)
	}
}
