// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Segment is one file of an archive.
type Segment struct {
	Camera string    `json:"camera"`
	Run    int64     `json:"run"`  // segments of one run follow each other without a hole
	Path   string    `json:"path"` // of the file, as the storage was opened
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	// Duration is media time: it differs from End less Start by the drift of the camera's clock.
	Duration time.Duration `json:"-"`
	Bytes    int64         `json:"bytes"`
	Tracks   string        `json:"tracks"`         // "h264 1920x1080, aac 44100x2"
	Open     bool          `json:"open,omitempty"` // still being written; what is listed of it is durable
	// Remote: the file is not at Path any more but in the remote store; OpenFile finds it.
	Remote bool `json:"remote,omitempty"`

	storage *storage // nil: made by hand
	name    string   // of the file in it
	gops    []GOP
	packed  []byte // gops as the index has them, where gops is nil
}

// GOPs are the segment's key pictures; none where it is sound alone. Each call reads the
// index' table anew.
func (s *Segment) GOPs() []GOP {
	if s.gops != nil {
		return s.gops
	}
	gops, err := decodeGOPs(s.packed, s.Start)
	if err != nil {
		return nil // the recording is still there; recovery rebuilds tables it finds damaged
	}
	return gops
}

// KeyPictures is the number of GOPs.
func (s *Segment) KeyPictures() int {
	if s.gops != nil {
		return len(s.gops)
	}
	return countGOPs(s.packed)
}

// segment is the row's, whose file is at path.
func (r *segmentRow) segment(s *storage, path, camera string) Segment {
	return Segment{Camera: camera, Run: r.run, Path: path, Start: r.start, End: r.end, Duration: r.duration,
		Bytes: r.bytes, Tracks: r.tracks, Open: r.state == stateOpen, gops: r.gops, packed: r.packed,
		Remote: r.state == stateAway, storage: s, name: r.path}
}

// List gives the segments of a camera ("": of all) that overlap [from, to), in the
// order of their start. A zero time is no bound.
func (a *Archive) List(ctx context.Context, camera string, from, to time.Time) ([]Segment, error) {
	return a.ListFirst(ctx, camera, from, to, noLimit)
}

const noLimit = -1

// ListFirst is List of the first n segments at most: a page, for those who must not
// hold the whole list.
func (a *Archive) ListFirst(ctx context.Context, camera string, from, to time.Time, n int) ([]Segment, error) {
	live := a.liveSegments()
	var list []Segment
	for _, s := range a.storages {
		dir := strings.TrimSuffix(s.path("x"), "x") // what all paths begin with
		err := s.index.segments(ctx, camera, from, to, n, func(name string, r *segmentRow) error {
			seg := r.segment(s, dir+filepath.FromSlash(r.path), name)
			if l := live[seg.Path]; l != nil && seg.Open {
				seg = *l
			}
			delete(live, seg.Path)
			if list == nil {
				list = make([]Segment, 0, listRoom(&seg, from, to, n))
			}
			list = append(list, seg)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list recordings: %w", err)
		}
	}
	// A segment that just reached the range is in its row still shorter than that.
	lo, hi := bounds(from, to)
	for _, l := range live {
		if (camera == "" || l.Camera == camera) && l.Start.UnixMilli() < hi && l.End.UnixMilli() > lo {
			list = append(list, *l)
		}
	}
	list = inOrder(list, func(s *Segment) time.Time { return s.Start })
	if n != noLimit && len(list) > n {
		list = list[:n]
	}
	return list, nil
}

// liveSegments are those that are being written, and those that are complete while the
// index does not take their rows, by path.
func (a *Archive) liveSegments() map[string]*Segment {
	a.mu.Lock()
	defer a.mu.Unlock()
	live := map[string]*Segment{}
	for _, c := range a.cameras {
		c.mu.Lock()
		for _, l := range c.live {
			live[l.Path] = l
		}
		c.mu.Unlock()
	}
	return live
}

// Gaps gives the intervals of [from, to) in which a camera ("": any) was wanted
// and not recorded, in the order of their start. A zero time is no bound.
func (a *Archive) Gaps(ctx context.Context, camera string, from, to time.Time) ([]Gap, error) {
	var list []Gap
	lo, hi := bounds(from, to)
	for _, s := range a.storages {
		unsaved := a.unsavedGaps(s, camera)
		err := s.index.gaps(ctx, camera, from, to, func(g Gap) {
			if !slices.ContainsFunc(unsaved, func(u Gap) bool { return u.id == g.id }) {
				list = append(list, g)
			}
		})
		if err != nil {
			return nil, fmt.Errorf("list gaps: %w", err)
		}
		for _, g := range unsaved {
			if !g.void && g.From.UnixMilli() < hi && (g.To.IsZero() || g.To.UnixMilli() > lo) {
				list = append(list, g)
			}
		}
	}
	return inOrder(list, func(g *Gap) time.Time { return g.From }), nil
}

// inOrder sorts by time; what has the same stays as it was. Elements are large, so places
// are sorted and each element is moved once.
func inOrder[E any](list []E, at func(*E) time.Time) []E {
	type place struct {
		at int64 // ns
		i  int
	}
	places := make([]place, len(list))
	sorted := true
	for i := range list {
		places[i] = place{at(&list[i]).UnixNano(), i}
		sorted = sorted && (i == 0 || places[i-1].at <= places[i].at)
	}
	if sorted {
		return list
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.i, b.i)) })
	moved := make([]E, len(list))
	for i, p := range places {
		moved[i] = list[p.i]
	}
	return moved
}

// listRoom is about how many segments follow the first one in the interval, 1 to 4096.
func listRoom(first *Segment, from, to time.Time, n int) int {
	most := 4096
	if n != noLimit {
		most = min(most, n)
	}
	if length := first.End.Sub(first.Start); length > 0 && !from.IsZero() && !to.IsZero() {
		return int(max(1, min(int64(most), int64(to.Sub(from)/length)+2)))
	}
	return max(1, min(most, 16))
}

// unsavedGaps are those that a storage's index has not, or not as they are.
func (a *Archive) unsavedGaps(s *storage, camera string) (list []Gap) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.cameras {
		if c.storage != s || camera != "" && camera != c.name {
			continue
		}
		c.mu.Lock()
		for _, g := range c.unsaved {
			g.Camera = c.name
			list = append(list, g)
		}
		c.mu.Unlock()
	}
	return list
}

// StorageStatus is the state of one storage directory.
type StorageStatus struct {
	Dir      string `json:"dir"`
	ID       string `json:"id"`
	Segments int64  `json:"segments"` // complete ones
	Bytes    int64  `json:"bytes"`    // of them
	// OpenBytes is what is durable of those being written.
	OpenBytes int64 `json:"open_bytes"`
	Free      int64 `json:"free"` // bytes that the file system has left
	// Remote is how far copying to the remote store is; nil: there is none.
	Remote *RemoteStatus `json:"remote,omitempty"`
	// Error is why the storage is not written to at the moment, "" when it is.
	Error string `json:"error,omitempty"`
}

// Status asks every storage for its state.
func (a *Archive) Status(ctx context.Context) ([]StorageStatus, error) {
	var list []StorageStatus
	open := map[*storage]int64{}
	for _, l := range a.liveSegments() {
		if l.Open {
			open[l.storage] += l.Bytes
		}
	}
	for _, s := range a.storages {
		st := StorageStatus{Dir: s.Dir, ID: s.identity.ID, OpenBytes: open[s]}
		st.Bytes, st.Segments = s.tally.total()
		var err error
		if st.Free, err = s.fs.Free(s.Dir); err != nil {
			st.Error = err.Error()
		}
		if err := s.health.error(); err != nil {
			st.Error = err.Error()
		}
		if st.Remote, err = s.copier.status(ctx); err != nil {
			return nil, fmt.Errorf("state of storage %s: %w", s.Dir, err)
		}
		list = append(list, st)
	}
	return list, nil
}
