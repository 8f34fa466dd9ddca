// SPDX-License-Identifier: LGPL-2.1-or-later

package keys

import (
	"context"
	"errors"
	"sync"
	"time"
)

var (
	// ErrNoCode says that a code is not known or holds no longer.
	ErrNoCode = errors.New("the code is not known or has expired: ask the stream's owner for a new one")
	// ErrChanged says that somebody else has changed a record meanwhile.
	ErrChanged = errors.New("the code was changed meanwhile")
	// ErrFull says that the store takes no more codes.
	ErrFull = errors.New("the key service has no room for another code: let old ones expire, or give them a shorter life")
)

// Store keeps records. It may forget those that have expired.
type Store interface {
	// Get finds a record and its revision. The error is ErrNoCode where there is none.
	Get(ctx context.Context, code string) (r Record, revision uint64, err error)
	// Put stores a record: a new one with revision 0, else in the place of the one that
	// Get gave. The error is ErrChanged where it is there already or not the same any
	// more, ErrFull where there is no room.
	Put(ctx context.Context, r Record, revision uint64) error
}

// Memory is a Store that ends with the process.
type Memory struct {
	max int

	mu      sync.Mutex
	records map[string]stored
}

type stored struct {
	Record
	revision uint64
}

// NewMemory makes one for at most max codes; 0: 100,000.
func NewMemory(max int) *Memory {
	if max <= 0 {
		max = 100_000
	}
	return &Memory{max: max, records: map[string]stored{}}
}

// Get implements Store.
func (m *Memory) Get(_ context.Context, code string) (Record, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.records[code]
	if !ok {
		return Record{}, 0, ErrNoCode
	}
	return s.clone(), s.revision, nil
}

// Put implements Store.
func (m *Memory) Put(_ context.Context, r Record, revision uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records[r.Code].revision != revision {
		return ErrChanged
	}
	if revision == 0 && len(m.records) >= m.max {
		m.forget(time.Now())
		if len(m.records) >= m.max {
			return ErrFull
		}
	}
	m.records[r.Code] = stored{r.clone(), revision + 1}
	return nil
}

// forget drops what has expired. Called with mu held.
func (m *Memory) forget(now time.Time) {
	for code, s := range m.records {
		if !now.Before(s.Expire) {
			delete(m.records, code)
		}
	}
}
