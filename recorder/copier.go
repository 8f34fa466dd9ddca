// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"
)

const (
	// copyAtOnce is how many segments of a storage are on their way to the remote store
	// together.
	copyAtOnce = 4
	// copyRetryFirst and copyRetryMost are the pauses after a failure, doubling.
	copyRetryFirst = time.Second
	copyRetryMost  = 5 * time.Minute
	// copyIdle is how often it is looked for more without being told of any.
	copyIdle = time.Minute
	// expireAtOnce is how many copies that are too old are removed in a row.
	expireAtOnce = 100
)

// copier sends a storage's complete segments to the remote store, oldest first, and
// removes copies that are too old. What it has not sent stays here: the store being away
// delays, and loses nothing.
type copier struct {
	s      *storage
	remote *RemoteConfig
	cancel context.CancelFunc
	done   chan struct{}
	wake   chan struct{} // has one token when there is more

	mu  sync.Mutex
	err error // of the last try
}

// startCopier does nothing where there is no remote store.
func (s *storage) startCopier() {
	if s.archive.cfg.Remote == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.copier = &copier{s: s, remote: s.archive.cfg.Remote, cancel: cancel, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	go s.copier.run(ctx)
}

// stop ends a copy that is under way; the next start sends it again.
func (c *copier) stop() {
	if c != nil {
		c.cancel()
		<-c.done
	}
}

// more says that a segment is complete.
func (c *copier) more() {
	if c == nil {
		return
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *copier) run(ctx context.Context) {
	defer close(c.done)
	pause := copyRetryFirst
	for ctx.Err() == nil {
		sent, err := c.copySome(ctx)
		if err == nil && sent == 0 {
			err = c.expire(ctx)
		}
		c.note(ctx, err)
		wait := copyIdle
		switch {
		case err != nil:
			wait, pause = pause, min(2*pause, copyRetryMost)
		case sent > 0:
			pause = copyRetryFirst
			continue
		default:
			pause = copyRetryFirst
		}
		t := time.NewTimer(wait)
		wake := c.wake
		if err != nil {
			wake = nil // one more segment does not bring the store back
		}
		select {
		case <-t.C:
		case <-wake:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// note keeps the outcome for Status and says what turned.
func (c *copier) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	before := c.err
	c.err = err
	c.mu.Unlock()
	switch {
	case err != nil && before == nil:
		c.s.archive.log.Error("copy to the remote store; it is tried again", "storage", c.s.Dir, "error", err)
		c.s.notify(Notice{Kind: NoticeRemoteFailed, Error: err.Error()})
	case err == nil && before != nil:
		c.s.archive.log.Info("the remote store works again", "storage", c.s.Dir)
		c.s.notify(Notice{Kind: NoticeRemoteWorks})
	}
}

// cameras are the rows of those whose segments are sent.
func (c *copier) cameras() []int64 {
	var ids []int64
	for id, name := range c.s.tally.names() {
		if c.remote.wants(name) {
			ids = append(ids, id)
		}
	}
	return ids
}

// copySome sends some segments side by side and says how many.
func (c *copier) copySome(ctx context.Context) (sent int, err error) {
	list, err := c.s.index.uncopied(ctx, c.cameras(), copyAtOnce)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, v := range list {
		wg.Go(func() { errs[i] = c.copyOne(ctx, v) })
	}
	wg.Wait()
	return len(list), errors.Join(errs...)
}

func (c *copier) copyOne(ctx context.Context, v removal) error {
	s := c.s
	f, err := s.fs.Open(s.path(v.path))
	if errors.Is(err, fs.ErrNotExist) {
		return s.on(ctx, func() error { return s.missing(v) })
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := c.remote.Store.Put(ctx, s.key(v.path), f, v.size); err != nil {
		return fmt.Errorf("%s: %w", v.path, err)
	}
	var kept bool
	if err := s.on(ctx, func() (err error) { kept, err = s.index.copied(v.id); return err }); err != nil {
		return err
	}
	if !kept { // it was removed while it was sent
		return c.remote.Store.Remove(ctx, s.key(v.path))
	}
	return nil
}

// missing drops the row of a complete segment whose file somebody removed, unless this
// program did meanwhile; the ledger says that it is lost.
func (s *storage) missing(v removal) error {
	return s.index.tx(func(q querier) error {
		var here bool
		err := q.QueryRow("SELECT EXISTS (SELECT 1 FROM segment WHERE id=? AND state=1)", v.id).Scan(&here)
		if err != nil || !here {
			return err
		}
		s.archive.log.Error("segment is in the index but not on the disk", "storage", s.Dir, "file", v.path)
		if err := lost(q, v.camera, v.start, v.end); err != nil {
			return err
		}
		s.tally.remove(v.camera, v.start, v.end, v.size)
		return deleteSegment(q, v.id)
	})
}

// expire removes copies whose segments are only in the remote store and too old.
func (c *copier) expire(ctx context.Context) error {
	s := c.s
	for c.remote.MaxAge > 0 {
		before := s.archive.cfg.Now().Add(-c.remote.MaxAge).UnixMilli()
		list, err := s.index.away(ctx, before, expireAtOnce)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, v := range list {
			if err := c.remote.Store.Remove(ctx, s.key(v.path)); err != nil {
				return fmt.Errorf("%s: %w", v.path, err)
			}
		}
		if err := s.on(ctx, func() error {
			for _, v := range list {
				s.tally.uncovers(v.camera, v.start, v.end)
			}
			return s.index.dropSegments(list, s.tally.oldest)
		}); err != nil {
			return err
		}
		s.archive.log.Info("copies removed for their age", "storage", s.Dir, "first", list[0].path, "segments", len(list))
	}
	return nil
}

// status asks the index.
func (c *copier) status(ctx context.Context) (*RemoteStatus, error) {
	if c == nil {
		return nil, nil
	}
	st := &RemoteStatus{}
	c.mu.Lock()
	if c.err != nil {
		st.Error = c.err.Error()
	}
	c.mu.Unlock()
	err := c.s.index.r.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(bytes),0) FROM segment WHERE state=1 AND copied=0 AND camera IN (`+join(c.cameras())+`)`).Scan(&st.Waiting, &st.WaitingBytes)
	if err == nil {
		err = c.s.index.r.QueryRowContext(ctx, "SELECT count(*), coalesce(sum(bytes),0) FROM segment WHERE state=3").Scan(&st.Away, &st.AwayBytes)
	}
	return st, err
}

// Rows of the index.

// join makes a list for IN; none is a row that does not exist.
func join(ids []int64) string {
	var b strings.Builder
	b.WriteString("0")
	for _, id := range ids {
		fmt.Fprintf(&b, ",%d", id)
	}
	return b.String()
}

// uncopied are the oldest complete segments of cameras that have no copy.
func (x *index) uncopied(ctx context.Context, cameras []int64, n int) ([]removal, error) {
	rows, err := x.r.QueryContext(ctx, `SELECT id, camera, run, path, start, end, bytes FROM segment
		WHERE state=1 AND copied=0 AND camera IN (`+join(cameras)+`) ORDER BY start LIMIT ?`, n)
	return scanRemovals(rows, err)
}

// away are the oldest segments that are only in the remote store, ended before a time
// (Unix ms) and have no lock.
func (x *index) away(ctx context.Context, before int64, n int) ([]removal, error) {
	rows, err := x.r.QueryContext(ctx, `SELECT s.id, s.camera, s.run, s.path, s.start, s.end, s.bytes FROM segment s
		WHERE s.state=3 AND s.end<? AND `+notLocked+` ORDER BY s.start LIMIT ?`, before, n)
	return scanRemovals(rows, err)
}

func scanRemovals(rows *sql.Rows, err error) (list []removal, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r removal
		if err := rows.Scan(&r.id, &r.camera, &r.run, &r.path, &r.start, &r.end, &r.size); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// copied notes that a segment has a copy; false: its row is gone or going.
func (x *index) copied(id int64) (kept bool, err error) {
	r, err := x.w.Exec("UPDATE segment SET copied=1 WHERE id=? AND state=1", id)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}
