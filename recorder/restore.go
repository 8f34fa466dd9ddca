// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/xp2p/xp2p/internal/fmp4"
)

// Restored is what Restore has done.
type Restored struct {
	Files int64 `json:"files"` // that the index knows now and did not
	Bytes int64 `json:"bytes"` // of them
	Known int64 `json:"known"` // files that it knew
	// Refused are files that are not as they were sent, or no recordings, and why. They
	// stay in the store.
	Refused []Refused `json:"refused"`
}

// Refused is a file of the remote store that is not played.
type Refused struct {
	Key string `json:"key"`
	Why string `json:"why"`
}

const (
	// restoreAtOnce is how many files are fetched together, and how many become one commit.
	restoreAtOnce = 4
	// maxRefused bounds the list in Restored: whoever has more has other problems.
	maxRefused = 1000
	// maxRestored is the largest file that is fetched: an hour at 100 Mbit/s and more.
	maxRestored = 64 << 30
)

// ErrNoRemote says that there is no remote store.
var ErrNoRemote = errors.New("recorder: there is no remote store in the configuration")

// Restore makes the index again from what the remote store has of the archive's storages,
// for a disk that was lost: files that the index does not know become such that are in the
// remote store only, and are listed, played and exported like all others. Each is fetched
// once, held against the SHA-256 that was sent with it, and read through. Time between
// them that nothing explains any more is a gap of cause crash. It is called before
// cameras are recorded. progress is told how far it is, one call at a time; nil: nobody.
// What was done stays done when it is broken off, and is not done again.
//
// The storages must have the identities under which they were sent: see RemoteStorages.
func (a *Archive) Restore(ctx context.Context, progress func(Restored)) (Restored, error) {
	var done Restored
	if a.cfg.Remote == nil {
		return done, ErrNoRemote
	}
	for _, s := range a.storages {
		r := &restorer{s: s, store: a.cfg.Remote.Store, done: &done, progress: progress}
		if err := r.run(ctx); err != nil {
			return done, fmt.Errorf("restore storage %s: %w", s.Dir, err)
		}
	}
	return done, nil
}

// RemoteStorages counts the files of each storage that the remote store has, by the
// storage's id.
func RemoteStorages(ctx context.Context, store RemoteStore) (map[string]int64, error) {
	found := map[string]int64{}
	err := store.List(ctx, "", func(key string, _ int64) error {
		if id, name, ok := strings.Cut(key, "/"); ok && isSegmentName(name) {
			found[id]++
		}
		return nil
	})
	return found, err
}

// MakeStorage makes dir a storage with the identity of one that was lost, so that what
// the remote store has of that is its own; see Restore. One that has this identity is left
// as it is, and one that has another an error.
func MakeStorage(dir, id string) error {
	if b, err := hex.DecodeString(id); err != nil || len(b) != 8 || strings.ToLower(id) != id {
		return fmt.Errorf("storage %s: %q is no id of a storage, which has 16 hexadecimal digits", dir, id)
	}
	if err := (osFS{}).MkdirAll(dir); err != nil {
		return err
	}
	is, err := StorageID(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, indexName)); err == nil {
			return fmt.Errorf("storage %s has an index but no %s: restore that file", dir, identityName)
		}
		f, err := createIdentity(dir, id)
		if err != nil {
			return err
		}
		return f.Close()
	}
	if err != nil {
		return err
	}
	if is != id {
		return fmt.Errorf("storage %s is %s and not %s: choose an empty directory for what was lost", dir, is, id)
	}
	return nil
}

// StorageID gives the identity of the storage in dir; fs.ErrNotExist: it is none.
func StorageID(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, identityName))
	if err != nil {
		return "", err
	}
	var is identity
	if err := json.Unmarshal(b, &is); err != nil || is.ID == "" {
		return "", fmt.Errorf("storage %s: %s cannot be read (%v): restore it", dir, identityName, err)
	}
	return is.ID, nil
}

// isSegmentName says whether a name is one that segmentName gives.
func isSegmentName(name string) bool {
	camera, rest, _ := strings.Cut(name, "/")
	_, err := startOfName(name)
	return CheckName(camera) == nil && err == nil && strings.Count(rest, "/") == 1 && strings.HasSuffix(rest, ".mp4")
}

// restorer restores one storage.
type restorer struct {
	s        *storage
	store    RemoteStore
	done     *Restored
	progress func(Restored)
	last     runJoin
}

// runJoin is the run that the last file went into: files that follow one another are one.
type runJoin struct {
	camera, id int64
	end        time.Time
}

// fetched is a file that was looked at.
type fetched struct {
	key, name string
	size      int64
	file      *fmp4.File
	why       string // it is refused
	err       error  // it is not known
}

func (r *restorer) run(ctx context.Context) error {
	var batch []fetched
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := r.take(ctx, batch)
		batch = batch[:0]
		return err
	}
	prefix := r.s.identity.ID + "/"
	err := r.store.List(ctx, prefix, func(key string, size int64) error {
		name := strings.TrimPrefix(key, prefix)
		if !isSegmentName(name) || size <= 0 || size > maxRestored {
			r.refuse(key, "it is not named or as large as a recording")
			return nil
		}
		known, err := r.s.index.knows(ctx, name)
		if err != nil {
			return err
		}
		if known {
			r.done.Known++
			return nil
		}
		if batch = append(batch, fetched{key: key, name: name, size: size}); len(batch) < restoreAtOnce {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err == nil {
		err = r.s.on(ctx, r.s.explainRestored)
	}
	return err
}

func (r *restorer) refuse(key, why string) {
	if len(r.done.Refused) < maxRefused {
		r.done.Refused = append(r.done.Refused, Refused{key, why})
	}
	r.s.archive.log.Error("file of the remote store is not restored", "storage", r.s.Dir, "file", key, "why", why)
}

// take fetches files side by side and makes rows of those that are whole.
func (r *restorer) take(ctx context.Context, batch []fetched) error {
	var wg sync.WaitGroup
	for i := range batch {
		wg.Go(func() { batch[i].fetch(ctx, r.store, r.s.Dir) })
	}
	wg.Wait()
	rows := make([]fetched, 0, len(batch))
	for _, f := range batch {
		switch {
		case f.err != nil:
			return fmt.Errorf("%s: %w", f.key, f.err)
		case f.why != "":
			r.refuse(f.key, f.why)
		default:
			rows = append(rows, f)
		}
	}
	if err := r.s.on(ctx, func() error { return r.insert(rows) }); err != nil {
		return err
	}
	if r.progress != nil {
		r.progress(*r.done)
	}
	return nil
}

// fetch gets a file into one without a name beside the storage's, and reads it through.
func (f *fetched) fetch(ctx context.Context, store RemoteStore, dir string) {
	tmp, err := os.CreateTemp(dir, ".restore-*.mp4")
	if err != nil {
		f.err = err
		return
	}
	defer tmp.Close()
	if f.err = os.Remove(tmp.Name()); f.err != nil {
		return
	}
	sum := sha256.New()
	want, err := store.Fetch(ctx, f.key, io.MultiWriter(tmp, sum))
	if err != nil {
		f.err = err
		return
	}
	if got := hex.EncodeToString(sum.Sum(nil)); want != "" && want != got {
		f.why = fmt.Sprintf("its SHA-256 is %s, and was %s when it was sent", got, want)
		return
	}
	st, err := tmp.Stat()
	if err != nil {
		f.err = err
		return
	}
	f.file, err = fmp4.Scan(tmp, st.Size())
	switch {
	case err != nil:
		f.why = err.Error()
	case len(f.file.Parts) == 0:
		f.why = "it holds no whole part"
	case f.file.Size != f.size || st.Size() != f.size:
		f.why = fmt.Sprintf("%d of its %d bytes are whole parts", f.file.Size, f.size)
	}
}

// insert makes rows of files, in their order, on the committer.
func (r *restorer) insert(rows []fetched) error {
	s := r.s
	var files []segmentRow
	for i := range rows {
		name, _, _ := strings.Cut(rows[i].name, "/")
		camera, _, err := s.index.camera(name)
		if err != nil {
			return fmt.Errorf("index: %w", err)
		}
		s.tally.named(camera, name)
		row := segmentRow{path: rows[i].name, camera: camera, tracks: entriesOf(rows[i].file)}
		row.start, _ = startOfName(rows[i].name)
		row.fill(rows[i].file)
		row.state = stateAway
		files = append(files, row)
	}
	join := r.last
	err := s.index.tx(func(q querier) (err error) {
		for i := range files {
			row := &files[i]
			if join.camera != row.camera || row.start.Sub(join.end).Abs() > audioTolerance {
				if join.id, err = insertRun(q, row.camera, row.start); err != nil {
					return err
				}
			}
			row.run = join.id
			if _, err := insertSegment(q, row); err != nil {
				return err
			}
			if err := endRun(q, row.run, CauseCrash); err != nil {
				return err
			}
			join = runJoin{row.camera, row.run, row.end}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.last = join
	for i := range files {
		s.tally.covers(files[i].camera, files[i].start.UnixMilli(), files[i].end.UnixMilli())
		r.done.Files, r.done.Bytes = r.done.Files+1, r.done.Bytes+files[i].bytes
	}
	return nil
}

// knows says whether there is a row of a segment.
func (x *index) knows(ctx context.Context, name string) (known bool, err error) {
	err = x.r.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM segment WHERE path=?)", name).Scan(&known)
	return known, err
}

// explainRestored makes gaps of the holes between segments and gaps.
func (s *storage) explainRestored() error {
	rows, err := s.index.w.Query(`SELECT camera, before, start FROM (
		SELECT camera, start, max(end) OVER (PARTITION BY camera ORDER BY start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM (
			SELECT camera, start, end FROM segment WHERE state<>2
			UNION ALL SELECT camera, start, coalesce(end, 1<<62) FROM gap)
	) WHERE before < start`)
	if err != nil {
		return err
	}
	defer rows.Close()
	type hole struct{ camera, from, to int64 }
	var holes []hole
	for rows.Next() {
		var h hole
		if err := rows.Scan(&h.camera, &h.from, &h.to); err != nil {
			return err
		}
		holes = append(holes, h)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close() // the connection is the writer's
	return s.index.tx(func(q querier) error {
		for _, h := range holes {
			if err := lost(q, h.camera, h.from, h.to); err != nil {
				return err
			}
		}
		return nil
	})
}
