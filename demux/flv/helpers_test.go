package flv_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// result is what a parser made of a stream, copied out of its buffer.
type result struct {
	Tags   []flv.Tag
	Units  []demux.Unit
	Damage []flv.DamageError
	Stats  flv.Stats
	Rest   int // bytes that are part of no tag yet
}

// parse gives data to p in pieces, each as long as the next of the sizes, which
// repeat; no sizes: all at once.
func parse(p *flv.Parser, data []byte, sizes ...int) (r result) {
	var t flv.Tag
	var u demux.Unit
	for i := 0; ; i++ {
		n := len(data)
		if len(sizes) > 0 {
			n = min(n, sizes[i%len(sizes)])
		}
		p.Filled(copy(p.Space(n), data[:n]))
		data = data[n:]
		for {
			err := p.Next(&t, &u)
			var damage *flv.DamageError
			if errors.As(err, &damage) {
				r.Damage = append(r.Damage, *damage)
				continue
			}
			if err != nil {
				break
			}
			r.Tags = append(r.Tags, flv.Tag{
				Type: t.Type, Timestamp: t.Timestamp,
				Payload: bytes.Clone(t.Payload), Raw: bytes.Clone(t.Raw),
			})
			u.Data = bytes.Clone(u.Data)
			r.Units = append(r.Units, u)
		}
		if len(data) == 0 {
			r.Stats, r.Rest = p.Stats(), p.Buffered()
			return r
		}
	}
}

func parseAll(data []byte, sizes ...int) result {
	return parse(flv.NewParser(flv.Options{}), data, sizes...)
}

// fixtures are the committed files by name.
func fixtures(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.flv")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	files := make(map[string][]byte)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = data
	}
	return files
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	return fixtures(t)[name]
}

// readAll reads with a Reader until its error, which is nil for io.EOF.
func readAll(r io.Reader, o flv.Options) (units []demux.Unit, stats flv.Stats, err error) {
	reader := flv.NewReader(r, o)
	var t flv.Tag
	var u demux.Unit
	for {
		if err := reader.Next(&t, &u); err != nil {
			if err == io.EOF {
				err = nil
			}
			return units, reader.Stats(), err
		}
		u.Data = bytes.Clone(u.Data)
		units = append(units, u)
	}
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }
