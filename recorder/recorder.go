// SPDX-License-Identifier: LGPL-2.1-or-later

// Package recorder keeps what cameras send: runs of access units become
// segments of fragmented MP4, an index says where they are, and a ledger has a
// cause for every interval in which a camera was wanted and not recorded.
//
// The way of the data:
//
//	Run.Write      units of one connection; copied once, into the part being filled
//	part           at most 1 s of a segment; sealed at its end, then handed over
//	committer      one goroutine per storage: write, sync file, sync directory, index row, ledger
//	index          SQLite, one row per segment with its table of key pictures
//	tally          the same in memory, summed up: calendars, totals and limits cost no query
//	sweeper        once a minute: what is too old or too much goes, locks apart
//	planner        an export: headers first, then the very bytes, as one ordinary MP4
//
// Only the committer touches a disk while recording, so a disk that stalls
// stops no camera: what waits for it is bounded per camera, and beyond that
// whole groups of pictures are dropped and the ledger says so.
//
// The files, the index and the order of commits are described in
// docs/format/archive.md. The package knows demux and no network.
package recorder

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Config is the argument of Open. It is copied.
type Config struct {
	// Storages are the directories to record to; at least one. A camera's storage is the
	// one with its newest recordings; for a new camera one is chosen by its name.
	Storages []StorageConfig

	// Logger; nil: discarded.
	Logger *slog.Logger

	// Now is the clock; nil: time.Now. Readings with a monotonic part let steps of the
	// host's clock be told from time that passed.
	Now func() time.Time

	// FS is the file layer; nil: the operating system's.
	FS FS

	// Remote is where complete segments are copied to; nil: nowhere.
	Remote *RemoteConfig

	// AAC turns sound into AAC for exports that ask for it; nil: they are refused.
	AAC AACEncoder

	// Notify is told what happens, in its order for each storage; nil: nobody. It is
	// called while recording waits, so it must only pass on what it gets.
	Notify func(Notice)

	// settle replaces settleTime in tests; -1: none.
	settle time.Duration
	// elapsed replaces, in tests, the clock that is never set: it gives its reading at now.
	elapsed func(now time.Time) time.Duration
}

// StorageConfig is one storage directory.
type StorageConfig struct {
	Dir string
	// ID is the identity that the directory must have (the id in its xp2p-storage.json),
	// so that a missing mount is noticed; empty: whatever it has, or a new one.
	ID string
	// Segment is the length of a segment; 0: 60 s. Segments end at the first key
	// picture behind a multiple of it, shifted per camera.
	Segment time.Duration
	// Part is the longest stretch of media that is written at once; 0: 1 s.
	Part time.Duration
	// Sync; empty: SyncPart. See its comments for what a power failure costs.
	Sync SyncPolicy
	// MaxAge: segments that ended longer ago are removed; 0: no limit. A camera may have
	// another one: Archive.SetRetention.
	MaxAge time.Duration
	// MaxCameraBytes: a camera's oldest segments are removed when all of its exceed it,
	// locked ones not counted; 0: no limit. A camera may have another one.
	MaxCameraBytes int64
	// MaxBytes: the oldest segments are removed when all of them exceed it; 0: no limit.
	MaxBytes int64
	// KeepFree: the oldest segments are removed when the file system has fewer bytes free; 0: never.
	KeepFree int64
}

const (
	defaultSegment = 60 * time.Second
	defaultPart    = time.Second
)

func (s StorageConfig) withDefaults() (StorageConfig, error) {
	if s.Dir == "" {
		return s, errors.New("storage without a directory")
	}
	if s.Segment == 0 {
		s.Segment = defaultSegment
	}
	if s.Part == 0 {
		s.Part = defaultPart
	}
	if s.Sync == "" {
		s.Sync = SyncPart
	}
	if _, err := s.Sync.Every(); err != nil {
		return s, fmt.Errorf("storage %s: sync: %w", s.Dir, err)
	}
	switch {
	case s.Segment < time.Second || s.Segment > time.Hour:
		return s, fmt.Errorf("storage %s: segment of %v is not between 1s and 1h", s.Dir, s.Segment)
	case s.Part < 100*time.Millisecond || s.Part > s.Segment:
		return s, fmt.Errorf("storage %s: part of %v is not between 100ms and the segment's %v", s.Dir, s.Part, s.Segment)
	case s.MaxBytes < 0 || s.MaxCameraBytes < 0 || s.KeepFree < 0 || s.MaxAge < 0:
		return s, fmt.Errorf("storage %s: a limit is negative", s.Dir)
	}
	return s, nil
}

// Archive is a set of storages opened for recording and reading.
type Archive struct {
	cfg      Config
	log      *slog.Logger
	storages []*storage
	pool     *partPool

	mu      sync.Mutex // above every CameraRecorder.mu
	cameras map[string]*CameraRecorder
	chosen  map[string]*storage // for cameras without recordings; see SetStorage
	closed  bool
}

// ErrClosed is what calls on a closed archive, camera or run return.
var ErrClosed = errors.New("recorder: closed")

// Open locks every storage, repairs what a crash left behind and makes index and
// files agree. It fails when a storage is in use by another recorder, is not the
// one its configuration names, or has an index newer than this program.
func Open(cfg Config) (*Archive, error) {
	if len(cfg.Storages) == 0 {
		return nil, errors.New("recorder: no storage configured")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.FS == nil {
		cfg.FS = osFS{}
	}
	if cfg.elapsed == nil {
		opened := cfg.Now()
		cfg.elapsed = func(now time.Time) time.Duration { return now.Sub(opened) }
	}
	if cfg.settle == 0 {
		cfg.settle = settleTime
	}
	a := &Archive{cfg: cfg, log: cfg.Logger, pool: newPartPool(), cameras: map[string]*CameraRecorder{}, chosen: map[string]*storage{}}
	for _, sc := range cfg.Storages {
		sc, err := sc.withDefaults()
		var s *storage
		if err == nil {
			s, err = openStorage(a, sc)
		}
		if err != nil {
			a.Close()
			return nil, err
		}
		a.storages = append(a.storages, s)
	}
	for _, s := range a.storages {
		s.startCopier()
	}
	return a, nil
}

// Camera begins to want the named camera: from now on every instant is either in
// a segment or in the ledger. The name must pass CheckName. A camera that is
// already recorded is returned as it is.
func (a *Archive) Camera(name string) (*CameraRecorder, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, ErrClosed
	}
	if c := a.cameras[name]; c != nil {
		return c, nil
	}
	c, err := newCameraRecorder(a, a.storageOf(name), name)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", name, err)
	}
	a.cameras[name] = c
	return c, nil
}

// SetStorage chooses the storage of a camera that has no recordings yet, by its directory
// as in Config; "": by the camera's name. It is called before Camera.
func (a *Archive) SetStorage(camera, dir string) error {
	i := slices.IndexFunc(a.storages, func(s *storage) bool { return s.Dir == dir })
	if dir != "" && i < 0 {
		return fmt.Errorf("%s is no storage of this recorder", dir)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if delete(a.chosen, camera); i >= 0 {
		a.chosen[camera] = a.storages[i]
	}
	return nil
}

// storageOf spreads cameras over the storages by name, where none was chosen. One that has
// recordings stays with the newest of them, also when a storage was added: its ledger goes
// on there. It needs a.mu.
func (a *Archive) storageOf(name string) *storage {
	best, newest := a.chosen[name], int64(0)
	if best == nil {
		best = a.storages[nameHash(name)%uint32(len(a.storages))]
	}
	for _, s := range a.storages {
		if last, known := s.tally.newest(name); known && (newest == 0 || last > newest) {
			best, newest = s, max(last, 1)
		}
	}
	return best
}

func nameHash(name string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(name))
	return h.Sum32()
}

// Close ends every camera with cause restart, commits what was written and
// unlocks the storages. It waits for the disks. Further calls do nothing.
func (a *Archive) Close() error {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return nil
	}
	a.closed = true
	cameras := a.cameras
	a.mu.Unlock()

	var errs []error
	for _, c := range cameras {
		errs = append(errs, c.Close(CauseRestart))
	}
	for _, s := range a.storages {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// Flush waits until everything written so far is committed.
func (a *Archive) Flush(ctx context.Context) error {
	for _, s := range a.storages {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// CheckName says whether name can be a camera: it becomes a directory, so it is
// 1 to 64 letters, digits, '-', '_' or '.', and begins with a letter or digit.
func CheckName(name string) error {
	if name == "" || len(name) > 64 {
		return fmt.Errorf("camera name %q: must have 1 to 64 characters", name)
	}
	for i, c := range []byte(name) {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || c != '-' && c != '_' && c != '.') {
			return fmt.Errorf("camera name %q: letters, digits, '-', '_' and '.' only, beginning with a letter or digit", name)
		}
	}
	return nil
}
