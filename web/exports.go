// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/xp2p/xp2p/recorder"
	"golang.org/x/sys/unix"
)

const (
	// maxExports is how many exports there are at once, those that wait and those that
	// are done and kept included. Where all are under way the next one is refused, else the
	// oldest that is not under way makes room.
	maxExports = 16
	// exportLife is how long a finished export is kept for being fetched.
	exportLife = time.Hour
	// maxExportRange is the longest stretch that is exported at once.
	maxExportRange = 24 * time.Hour
)

// Where an export stands.
const (
	exportWaiting = "waiting" // others are under way
	exportRunning = "running"
	exportDone    = "done"
	exportFailed  = "failed"
)

// exportState is an export as the API shows it.
type exportState struct {
	ID     string       `json:"id"`
	Camera string       `json:"camera"`
	From   time.Time    `json:"from"`
	To     time.Time    `json:"to"`
	Exact  bool         `json:"exact,omitempty"`
	AAC    bool         `json:"aac,omitempty"`
	State  string       `json:"state"`
	Done   int64        `json:"done"`  // bytes of recordings that were read,
	Total  int64        `json:"total"` // of so many
	Files  []exportFile `json:"files"`
	Error  string       `json:"error,omitempty"`
	Ended  time.Time    `json:"ended,omitzero"`
}

// exportFile is one MP4 of an export; there are several where the decoder's
// configuration changes.
type exportFile struct {
	Name      string            `json:"name"`
	Bytes     int64             `json:"bytes"`
	SHA256    string            `json:"sha256"`
	Duration  float64           `json:"duration"` // s; time that was not recorded is not in it
	Stretches []exportedStretch `json:"stretches"`
}

// exportedStretch maps a file's time to the wall's.
type exportedStretch struct {
	At float64 `json:"at"` // s, in the file
	recorder.ExportedStretch
}

// export is one export, in a directory of its own.
type export struct {
	dir    string
	cancel context.CancelFunc
	gone   chan struct{} // closed when nothing of it runs any more
	state  exportState   // guarded by exports.mu
}

func (e *export) over() bool { return e.state.State == exportDone || e.state.State == exportFailed }

// exports makes files of recordings, one at a time: they are bound by the disk, which
// records meanwhile.
type exports struct {
	dir     string
	cameras Cameras
	turn    limit // who holds it exports
	ctx     context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup

	mu   sync.Mutex
	list []*export // the oldest first
}

// openExports removes what an earlier process left behind.
func openExports(state string, cameras Cameras) (*exports, error) {
	x := &exports{dir: filepath.Join(state, "exports"), cameras: cameras, turn: newLimit(1)}
	if err := os.RemoveAll(x.dir); err != nil {
		return nil, fmt.Errorf("old exports: %w", err)
	}
	if err := os.MkdirAll(x.dir, 0o700); err != nil {
		return nil, fmt.Errorf("exports: %w", err)
	}
	x.ctx, x.stop = context.WithCancel(context.Background())
	x.wg.Go(x.expire)
	return x, nil
}

// expire removes what is kept too long.
func (x *exports) expire() {
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			x.mu.Lock()
			for i := len(x.list) - 1; i >= 0; i-- {
				if e := x.list[i]; e.over() && now.Sub(e.state.Ended) > exportLife {
					x.remove(i)
				}
			}
			x.mu.Unlock()
		case <-x.ctx.Done():
			return
		}
	}
}

var (
	errExportsFull = errors.New("too many exports are under way: wait for one, or delete one")
	errNoRoom      = errors.New("there is no room for this export: choose a shorter time, or set web.state to a directory on a disk with room")
)

// start begins an export of recordings of so many bytes; it runs when its turn comes.
// It may take half of what the disk has free: recordings must not have to go for it.
func (x *exports) start(r recorder.ExportRequest, bytes int64) (exportState, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.makeRoom(); err != nil {
		return exportState{}, err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(x.dir, &fs); err == nil && bytes > int64(fs.Bavail)*fs.Bsize/2 {
		return exportState{}, errNoRoom
	}
	e := &export{gone: make(chan struct{})}
	e.state = exportState{ID: rand.Text(), Camera: r.Camera, From: r.From, To: r.To, Exact: r.Exact, AAC: r.AAC, State: exportWaiting, Files: []exportFile{}}
	e.dir = filepath.Join(x.dir, e.state.ID)
	ctx, cancel := context.WithCancel(x.ctx)
	e.cancel = cancel
	x.list = append(x.list, e)
	x.wg.Go(func() {
		defer close(e.gone)
		defer cancel()
		files, err := x.run(ctx, e)
		x.finish(e, files, err)
	})
	return e.state, nil
}

// makeRoom removes the oldest that is over where there are too many.
func (x *exports) makeRoom() error {
	if len(x.list) < maxExports {
		return nil
	}
	i := slices.IndexFunc(x.list, (*export).over)
	if i < 0 {
		return errExportsFull
	}
	x.remove(i)
	return nil
}

// remove takes an export that is over off the list and off the disk. Who is fetching
// it goes on: the file is open.
func (x *exports) remove(i int) {
	os.RemoveAll(x.list[i].dir)
	x.list = slices.Delete(x.list, i, i+1)
}

func (x *exports) run(ctx context.Context, e *export) ([]recorder.ExportedFile, error) {
	select {
	case x.turn <- struct{}{}:
		defer x.turn.leave()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	x.mu.Lock()
	e.state.State = exportRunning
	s := e.state
	x.mu.Unlock()
	if err := os.MkdirAll(e.dir, 0o700); err != nil {
		return nil, err
	}
	return x.cameras.Export(ctx, recorder.ExportRequest{
		Camera: s.Camera, From: s.From, To: s.To, Exact: s.Exact, AAC: s.AAC, Sum: true,
		Path: filepath.Join(e.dir, fmt.Sprintf("%s_%s.mp4", s.Camera, s.From.UTC().Format("2006-01-02_15-04-05"))),
		Progress: func(done, total int64) {
			x.mu.Lock()
			defer x.mu.Unlock()
			e.state.Done, e.state.Total = done, total
		},
	})
}

func (x *exports) finish(e *export, files []recorder.ExportedFile, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e.state.Ended = time.Now()
	if err != nil {
		e.state.State, e.state.Error = exportFailed, err.Error()
		os.RemoveAll(e.dir)
		return
	}
	e.state.State, e.state.Done = exportDone, e.state.Total
	for _, f := range files {
		out := exportFile{Name: filepath.Base(f.Path), Bytes: f.Bytes, SHA256: f.SHA256, Duration: f.Duration.Seconds()}
		for _, s := range f.Stretches {
			out.Stretches = append(out.Stretches, exportedStretch{s.At.Seconds(), s})
		}
		e.state.Files = append(e.state.Files, out)
	}
}

// all are the states of the exports there are.
func (x *exports) all() []exportState {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := make([]exportState, len(x.list))
	for i, e := range x.list {
		list[i] = e.state
	}
	return list
}

// get gives the state of one; false: there is none.
func (x *exports) get(id string) (exportState, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if i := x.index(id); i >= 0 {
		return x.list[i].state, true
	}
	return exportState{}, false
}

func (x *exports) index(id string) int {
	return slices.IndexFunc(x.list, func(e *export) bool { return e.state.ID == id })
}

// open opens a file of a finished export.
func (x *exports) open(id, name string) (*os.File, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := x.index(id)
	if i < 0 || !slices.ContainsFunc(x.list[i].state.Files, func(f exportFile) bool { return f.Name == name }) {
		return nil, os.ErrNotExist
	}
	return os.Open(filepath.Join(x.list[i].dir, name))
}

// drop ends an export and removes what there is of it.
func (x *exports) drop(id string) bool {
	x.mu.Lock()
	i := x.index(id)
	if i < 0 {
		x.mu.Unlock()
		return false
	}
	e := x.list[i]
	x.list = slices.Delete(x.list, i, i+1)
	x.mu.Unlock()
	e.cancel()
	<-e.gone
	os.RemoveAll(e.dir)
	return true
}

// close ends all exports; their files go.
func (x *exports) close() {
	x.stop()
	x.wg.Wait()
	os.RemoveAll(x.dir)
}
