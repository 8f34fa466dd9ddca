package flv_test

import (
	"bytes"
	"testing"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// room is how much the parser's buffer holds when nothing is in it.
func room(p *flv.Parser) int { return len(p.Space(1)) }

// The buffer grows to the largest tag and shrinks back when it has passed.
func TestBufferShrinks(t *testing.T) {
	p := flv.NewParser(flv.Options{})
	small := flv.AppendTag(nil, flv.TagScript, 0, make([]byte, 1000))
	parse(p, small)
	least := room(p)

	parse(p, flv.AppendTag(nil, flv.TagScript, 0, make([]byte, 3<<20)), 4096)
	if got := room(p); got < 3<<20 || got > 8<<20 {
		t.Errorf("%d bytes of buffer for a tag of 3 MiB", got)
	}
	parse(p, bytes.Repeat(small, 3000), 4096)
	if got := room(p); got != least {
		t.Errorf("%d bytes of buffer after it, %d before", got, least)
	}
}

// Garbage without end, and headers that claim the most that is believed and
// never keep it, cost a bounded buffer.
func TestBufferIsBounded(t *testing.T) {
	const maxTag = 1 << 16
	for name, garbage := range map[string][]byte{
		"noise":             bytes.Repeat([]byte{0xaa}, 1<<20),
		"zeros":             make([]byte, 1<<20),
		"claims":            bytes.Repeat(unhex("09 00ffff 000000 00 000000"), 1<<16),
		"PreviousTagSizes":  bytes.Repeat(unhex("0000000c"), 1<<18),
		"zero sized claims": bytes.Repeat(unhex("00000000 09 00ffff 000000 00 000000"), 1<<16),
		"stream headers":    bytes.Repeat(flv.AppendHeader(nil, true, true), 1<<16),
	} {
		t.Run(name, func(t *testing.T) {
			p := flv.NewParser(flv.Options{MaxTag: maxTag})
			for range 4 {
				parse(p, garbage, 1500)
			}
			if got := room(p) + p.Buffered(); got > 8*maxTag {
				t.Errorf("%d bytes of buffer for tags of at most %d", got, maxTag)
			}
			// And a real stream behind it is found.
			r := parse(p, bytes.Repeat(alaw(7, 111), 2*maxTag/alawTag))
			if len(r.Units) < maxTag/alawTag-1 {
				t.Errorf("%d units behind the garbage", len(r.Units))
			}
		})
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	data := fixture(t, "h264_aac.flv")
	p := flv.NewParser(flv.Options{})
	var tag flv.Tag
	var u demux.Unit
	feed := func() {
		p.Filled(copy(p.Space(len(data)), data))
		for p.Next(&tag, &u) == nil {
		}
	}
	feed()
	if n := testing.AllocsPerRun(200, feed); n != 0 {
		t.Errorf("%v allocations for each file", n)
	}
}

func TestReset(t *testing.T) {
	p := flv.NewParser(flv.Options{})
	parse(p, join(stream(2, 111), []byte("garbage")))
	p.Reset()
	if p.Stats() != (flv.Stats{}) || p.Buffered() != 0 {
		t.Errorf("after a reset: %+v, %d bytes", p.Stats(), p.Buffered())
	}
	if r := parse(p, stream(2, 111)); len(r.Units) != 2 || len(r.Damage) != 0 {
		t.Errorf("after a reset: %d units, damage %v", len(r.Units), r.Damage)
	}
}

// Tags stay where they are when the parser goes on in another buffer, in the middle of
// a tag and in the middle of damage.
func TestSwap(t *testing.T) {
	a, b := flv.AppendTag(nil, flv.TagScript, 1, bytes.Repeat([]byte("a"), 100)), flv.AppendTag(nil, flv.TagScript, 2, bytes.Repeat([]byte("b"), 200))
	noise := []byte("no tag")
	stream := append(append(append([]byte(nil), a...), noise...), b...)
	for cut := range len(stream) {
		p := flv.NewParser(flv.Options{})
		var got [][]byte
		for _, piece := range [][]byte{stream[:cut], stream[cut:], a, a} {
			p.Filled(copy(p.Space(len(piece)), piece))
			for {
				var tag flv.Tag
				var u demux.Unit
				err := p.Next(&tag, &u)
				if err == flv.ErrNeedMore {
					break
				}
				if err == nil {
					got = append(got, tag.Raw)
				}
			}
			p.Swap(make([]byte, p.Buffered()+10))
		}
		if len(got) != 4 || !bytes.Equal(got[0], a) || !bytes.Equal(got[1], b) || !bytes.Equal(got[2], a) || !bytes.Equal(got[3], a) {
			t.Errorf("cut at %d: %q", cut, got)
		}
	}
}
