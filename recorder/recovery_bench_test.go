// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// BenchmarkStart opens a storage of two weeks of ten cameras, 201 600 segments, after an
// orderly end: what a start costs that finds nothing to mend. The files are empty but
// for their length.
func BenchmarkStart(b *testing.B) {
	a, _ := benchIndex(b, 10, 14)
	s := a.storages[0]
	rows, err := s.index.rowsOf("")
	must(b, err)
	for name := range rows {
		must(b, os.MkdirAll(filepath.Dir(s.path(name)), 0o750))
		must(b, os.WriteFile(s.path(name), nil, 0o640))
		must(b, os.Truncate(s.path(name), rows[name].bytes))
	}
	must(b, a.Close())
	for b.Loop() {
		a, err := Open(Config{Storages: []StorageConfig{s.StorageConfig}})
		if err != nil {
			b.Fatal(err)
		}
		if _, n := a.storages[0].tally.total(); n != int64(len(rows)) {
			b.Fatalf("%d segments", n)
		}
		must(b, a.Close())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(rows)), "ns/segment")
}

// BenchmarkRecovery opens a storage of 10 000 segments of a minute, 60 parts each: after
// it was closed, after a crash that left every row unfinished (one camera's would be),
// and without an index. The pictures are small: recovery reads headers only.
func BenchmarkRecovery(b *testing.B) {
	const cameras, each = 50, 200
	clock := newSimulated()
	dir := b.TempDir()
	cfg := Config{Storages: []StorageConfig{{Dir: dir}}, Now: clock.now, settle: -1}
	a := openArchive(b, cfg)
	config, key := still(b, testmedia.Options{GOP: 25, Width: 64, Height: 64})
	r := camera(b, a, "model").StartRun()
	if err := r.Write(config); err != nil {
		b.Fatal(err)
	}
	for i := range 130 {
		u := *key
		u.DTS = time.Duration(i) * time.Second
		if err := r.Write(&u); err != nil {
			b.Fatal(err)
		}
		clock.add(time.Second)
	}
	r.Close(CauseLink)
	flush(b, a)
	model, err := os.ReadFile(list(b, a, "model")[1].Path) // a whole minute
	if err != nil {
		b.Fatal(err)
	}
	if err := a.Close(); err != nil {
		b.Fatal(err)
	}
	must(b, os.RemoveAll(filepath.Join(dir, "model")))
	for c := range cameras {
		for i := range each {
			file := filepath.Join(dir, filepath.FromSlash(segmentName(fmt.Sprintf("cam%d", c), clock.now().Add(time.Duration(i)*time.Minute), "")))
			must(b, os.MkdirAll(filepath.Dir(file), 0o750))
			must(b, os.WriteFile(file, model, 0o640))
		}
	}
	open := func() {
		a, err := Open(cfg)
		if err != nil {
			b.Fatal(err)
		}
		if _, n := a.storages[0].tally.total(); n != cameras*each {
			b.Fatalf("%d segments", n)
		}
		must(b, a.Close())
	}
	index := filepath.Join(dir, indexName)
	open()
	for _, c := range []struct {
		name    string
		prepare func()
	}{
		{"closed", func() {}},
		{"unfinished", func() {
			x, err := openIndex(index)
			if err == nil {
				_, err = x.w.Exec("UPDATE segment SET state=0")
				x.close()
			}
			must(b, err)
		}},
		{"no index", func() {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				os.Remove(index + suffix)
			}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(model)) * cameras * each)
			for b.Loop() {
				b.StopTimer()
				c.prepare()
				b.StartTimer()
				open()
			}
		})
	}
}
