// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/nvr/shelf"
	"github.com/xp2p/xp2p/recorder"
)

const (
	defaultRecordMax byteSize = 10e9
	// keepFree is how much of the disk a camera's recordings leave to others.
	keepFree = 128 << 20
)

// recordings are a camera's own; nil: it makes none.
type recordings struct {
	archive  *recorder.Archive
	channels []string // names
	log      *slog.Logger
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// openRecordings opens the directory of --record and gives every channel its archive.
func openRecordings(o cameraOptions, channels []device.Channel, log *slog.Logger) (*recordings, error) {
	if o.record == "" {
		return nil, nil
	}
	r := &recordings{log: log}
	for _, c := range channels {
		if err := recorder.CheckName(c.Name); err != nil {
			return nil, badArgument(fmt.Errorf("%w: name the input otherwise (--input NAME=INPUT)", err))
		}
		r.channels = append(r.channels, c.Name)
	}
	a, err := recorder.Open(recorder.Config{Logger: log, Storages: []recorder.StorageConfig{
		{Dir: o.record, MaxBytes: int64(o.recordMax), KeepFree: keepFree},
	}})
	if err != nil {
		return nil, fmt.Errorf("recordings: %w", err)
	}
	r.archive = a
	for i := range channels {
		channels[i].Archive = shelf.New(a, channels[i].Name)
	}
	return r, nil
}

// start begins to record every channel of d; stop ends it.
func (r *recordings) start(ctx context.Context, d *device.Device) error {
	if r == nil {
		return nil
	}
	ctx, r.cancel = context.WithCancel(ctx)
	for i, name := range r.channels {
		c, err := r.archive.Camera(name)
		if err != nil {
			r.stop()
			return err
		}
		r.wg.Add(1)
		go func() { defer r.wg.Done(); shelf.Record(ctx, d, i, c, r.log) }()
	}
	return nil
}

func (r *recordings) stop() {
	if r != nil {
		r.cancel()
		r.wg.Wait()
	}
}

func (r *recordings) close() {
	if r != nil {
		if err := r.archive.Close(); err != nil {
			r.log.Error("close the recordings", "err", err)
		}
	}
}

// byteSize is a flag of bytes, as in 500000000, 500MB or 2GiB.
type byteSize int64

var byteUnits = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
}

// Set implements pflag.Value.
func (b *byteSize) Set(s string) error {
	number, unit := s, int64(1)
	for _, u := range byteUnits {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			number, unit = strings.TrimSpace(n), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64/unit {
		return fmt.Errorf("%q is no size: want a number of bytes, or one with kB, MB, GB, TB, KiB, MiB, GiB or TiB", s)
	}
	*b = byteSize(n * unit)
	return nil
}

func (b *byteSize) String() string {
	for _, u := range []int{7, 6, 5, 4} {
		if unit := byteUnits[u]; *b != 0 && int64(*b)%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", int64(*b)/unit.bytes, unit.suffix)
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Type implements pflag.Value.
func (b *byteSize) Type() string { return "SIZE" }
