// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Names inside a storage directory. Everything else in it is a camera.
const (
	identityName   = "xp2p-storage.json"
	indexName      = "index.db"
	quarantineName = "quarantine"
)

// storage is one directory: identity, lock, index and committer.
type storage struct {
	StorageConfig
	archive  *Archive
	first    bool // of the archive's
	fs       FS
	identity identity
	lock     *os.File // the identity file, flocked
	index    *index
	queue    *queue
	health   health
	tally    *tally
	done     chan struct{} // closed when the committer ended
	sweeper  sweeper
	copier   *copier       // nil: there is no remote store
	every    time.Duration // the sync policy; see SyncPolicy.Every

	limitMu sync.Mutex
	limits  map[string]Retention // by camera, where it is not the storage's
	pins    map[string]int       // by path: how many exports read it

	// The committer's.
	cameras []*CameraRecorder // those whose ledgers it keeps
	owed    []*segment        // complete, and not so in the index
	gone    []removal         // removed, and still in the index
	clock   hostClock
	low     bool // it was said that the storage will be full
}

// identity is the content of xp2p-storage.json.
type identity struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Version int       `json:"version"` // of the layout: 1
}

func openStorage(a *Archive, cfg StorageConfig) (*storage, error) {
	s := &storage{StorageConfig: cfg, archive: a, first: len(a.storages) == 0, fs: a.cfg.FS, queue: newQueue(), done: make(chan struct{}),
		tally: newTally(), limits: map[string]Retention{}, pins: map[string]int{}}
	s.every, _ = cfg.Sync.Every() // withDefaults has checked it
	if err := s.open(); err != nil {
		if s.index != nil {
			s.index.close()
		}
		if s.lock != nil {
			s.lock.Close()
		}
		return nil, fmt.Errorf("storage %s: %w", cfg.Dir, err)
	}
	go s.commitLoop()
	s.sweeper.start(s)
	return s, nil
}

func (s *storage) open() error {
	if err := s.fs.MkdirAll(s.Dir); err != nil {
		return err
	}
	if err := s.identify(); err != nil {
		return err
	}
	rebuilt, err := s.openIndex()
	if err != nil {
		return err
	}
	return s.recover(rebuilt)
}

// identify reads or makes the identity file and locks it. A directory that holds
// an index but no identity is refused: something took its identity away.
func (s *storage) identify() error {
	name := filepath.Join(s.Dir, identityName)
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if s.ID != "" {
			return fmt.Errorf("has no %s, but the configuration expects id %s: is the disk mounted?", identityName, s.ID)
		}
		if _, err := os.Stat(filepath.Join(s.Dir, indexName)); err == nil {
			return fmt.Errorf("has an index but no %s: restore that file", identityName)
		}
		f, err = createIdentity(s.Dir, newStorageID())
	}
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if err == syscall.EWOULDBLOCK {
			return errors.New("is in use by another recorder")
		}
		return fmt.Errorf("lock %s: %w", name, err)
	}
	s.lock = f
	if err := json.NewDecoder(f).Decode(&s.identity); err != nil || s.identity.ID == "" {
		return fmt.Errorf("%s cannot be read (%v): restore it", name, err)
	}
	if s.identity.Version > 1 {
		return fmt.Errorf("has layout %d, this program knows 1", s.identity.Version)
	}
	if s.ID != "" && s.ID != s.identity.ID {
		return fmt.Errorf("has id %s, but the configuration expects %s: is the right disk mounted?", s.identity.ID, s.ID)
	}
	return nil
}

// present says whether the directory is still the one that was opened: a disk that is
// gone must not be recorded beside, nor another one that came into its place.
func (s *storage) present() error {
	now, err := os.Stat(filepath.Join(s.Dir, identityName))
	if err == nil {
		var opened os.FileInfo
		if opened, err = s.lock.Stat(); err == nil && os.SameFile(now, opened) {
			return nil
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("storage %s is gone, or another one is in its place: is its disk mounted?", s.Dir)
}

func newStorageID() string {
	var id [8]byte
	rand.Read(id[:])
	return fmt.Sprintf("%x", id)
}

func createIdentity(dir, id string) (*os.File, error) {
	b, err := json.Marshal(identity{ID: id, Created: time.Now().UTC().Truncate(time.Second), Version: 1})
	if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, identityName)
	tmp := name + ".new"
	if err := writeSynced(tmp, append(b, '\n')); err != nil {
		return nil, err
	}
	// Link fails where a second recorder was quicker; its file is then used.
	err = os.Link(tmp, name)
	os.Remove(tmp)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := (osFS{}).SyncDir(dir); err != nil {
		return nil, err
	}
	return os.OpenFile(name, os.O_RDWR, 0)
}

func writeSynced(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// openIndex opens the index; one that is damaged is put aside and made again from
// the files (rebuilt), which hold everything it says but the ledger.
func (s *storage) openIndex() (rebuilt bool, err error) {
	file := filepath.Join(s.Dir, indexName)
	_, statErr := os.Stat(file)
	s.index, err = openIndex(file)
	if err == nil || errors.Is(err, errIndexNewer) {
		return errors.Is(statErr, fs.ErrNotExist), err
	}
	s.archive.log.Error("index is damaged, it is rebuilt from the files", "storage", s.Dir, "error", err)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := s.quarantine(indexName+suffix, "index"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	s.index, err = openIndex(file)
	return true, err
}

// quarantine moves a file (relative to the storage) aside: nothing is ever deleted
// because it could not be understood.
func (s *storage) quarantine(name, why string) error {
	dir := filepath.Join(s.Dir, quarantineName)
	from := filepath.Join(s.Dir, filepath.FromSlash(name))
	if _, err := os.Lstat(from); err != nil {
		return err
	}
	if err := s.fs.MkdirAll(dir); err != nil {
		return err
	}
	flat := ""
	for _, c := range name {
		if c == '/' {
			c = '_'
		}
		flat += string(c)
	}
	to := filepath.Join(dir, fmt.Sprintf("%s_%d_%s", why, time.Now().UnixNano(), flat))
	if err := s.fs.Rename(from, to); err != nil {
		return err
	}
	s.archive.log.Warn("file put into quarantine", "storage", s.Dir, "file", name, "why", why, "as", to)
	return errors.Join(s.fs.SyncDir(filepath.Dir(from)), s.fs.SyncDir(dir))
}

// flush waits until the committer has done everything queued before, the ledgers'
// rows too.
func (s *storage) flush(ctx context.Context) error {
	done := make(chan struct{})
	s.queue.push(job{all: true, do: func() { s.saveLedgers(); close(done) }})
	select {
	case <-done:
		return nil
	case <-s.done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close ends the committer behind what is queued and lets the directory go.
func (s *storage) close() error {
	s.copier.stop()
	s.sweeper.stop()
	s.queue.close()
	<-s.done
	err := s.index.close()
	if isFull(err) { // the index's log could not be taken over into it: the next start does that
		s.archive.log.Warn("the disk is full; the index is tidied at the next start", "storage", s.Dir, "error", err)
		err = nil
	}
	return errors.Join(err, s.lock.Close())
}
