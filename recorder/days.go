// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// day is a directory of segments: CAMERA/DATE.
type day struct{ camera, date string }

func (d day) name() string { return d.camera + "/" + d.date }

// days are the directories that are named like a day of a camera.
func (s *storage) days() ([]day, error) {
	cameras, err := s.fs.ReadDir(s.Dir)
	if err != nil {
		return nil, err
	}
	var list []day
	for _, c := range cameras {
		if !s.isCamera(c) {
			continue
		}
		days, err := s.fs.ReadDir(filepath.Join(s.Dir, c.Name()))
		if err != nil {
			return nil, err
		}
		for _, d := range days {
			if _, err := time.Parse(time.DateOnly, d.Name()); err == nil && d.IsDir() {
				list = append(list, day{c.Name(), d.Name()})
			}
		}
	}
	return list, nil
}

// dayRead is what directory and index have of a day.
type dayRead struct {
	day
	files []string // names, relative to the storage
	sizes []int64
	rows  map[string]rowLite // by name
	err   error
}

// readDays calls f for each day in turn, and reads a few days ahead meanwhile.
func (s *storage) readDays(days []day, f func(*dayRead) error) error {
	ahead := make(chan chan *dayRead, runtime.GOMAXPROCS(0)) // full: that is enough ahead
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		defer close(ahead)
		for _, d := range days {
			c := make(chan *dayRead, 1)
			select {
			case ahead <- c:
				wg.Go(func() { c <- s.readDay(d) })
			case <-stop:
				return
			}
		}
	})
	for c := range ahead {
		d := <-c
		if d.err != nil {
			return d.err
		}
		if err := f(d); err != nil {
			return err
		}
	}
	return nil
}

func (s *storage) readDay(d day) *dayRead {
	r := &dayRead{day: d}
	if r.err = s.list(r); r.err == nil {
		if r.rows, r.err = s.index.rowsOf(d.name()); r.err != nil {
			r.err = fmt.Errorf("index: %w", r.err)
		}
	}
	return r
}

// list finds the segments' files of a day, with their sizes.
func (s *storage) list(d *dayRead) error {
	entries, err := s.fs.ReadDir(s.path(d.name()))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".mp4") {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		d.files, d.sizes = append(d.files, path.Join(d.name(), e.Name())), append(d.sizes, info.Size())
	}
	return nil
}

// rowLite is what recovery compares with the files.
type rowLite struct {
	id, camera, run int64
	path            string
	start, end      int64
	bytes           int64
	state           int
	copied          bool
}

func (r *rowLite) removal() removal {
	return removal{id: r.id, camera: r.camera, run: r.run, path: r.path, start: r.start, end: r.end, size: r.bytes}
}

const rowsOfQuery = "SELECT id, camera, run, path, start, end, bytes, state, copied FROM segment WHERE path>=? AND path<?"

// rowsOf gives the rows of the segments in a directory ("": of all).
func (x *index) rowsOf(dir string) (map[string]rowLite, error) {
	lo, hi := "", "\xff"
	if dir != "" {
		lo, hi = dir+"/", dir+"0" // what follows '/'
	}
	rows, err := x.r.Query(rowsOfQuery, lo, hi)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	m := map[string]rowLite{}
	for rows.Next() {
		var r rowLite
		if err := rows.Scan(&r.id, &r.camera, &r.run, &r.path, &r.start, &r.end, &r.bytes, &r.state, &r.copied); err != nil {
			return nil, err
		}
		m[r.path] = r
	}
	return m, rows.Err()
}
