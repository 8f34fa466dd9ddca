// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/xp2p/xp2p/demux/flv"
)

// tapMarks bound what waits for a tap: some seconds of a camera, so that a reader
// who batches its reads or waits for a disk loses nothing.
var tapMarks = Watermarks{Low: 2 << 20, Warn: 6 << 20, High: 8 << 20}

// Tap gives a channel's live stream, as FLV, inside this process: for recording it.
// It is no viewer and is not counted as one. ctx bounds the call. The stream ends
// with io.EOF when the source's does; then Tap again.
func (d *Device) Tap(ctx context.Context, channel int) (io.ReadCloser, error) {
	channels := d.all()
	if channel < 0 || channel >= len(channels) {
		return nil, fmt.Errorf("there is no channel %d", channel)
	}
	h := channels[channel].hub
	v, err := h.join(ctx, everything, tapMarks, nil)
	if err != nil {
		return nil, err
	}
	t := &tap{hub: h, viewer: v, buf: flv.AppendHeader(nil, true, true)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t, nil
}

// tap reads a viewer's queue.
type tap struct {
	hub    *hub
	viewer *viewer
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	close  sync.Once

	buf  []byte // whole tags, from
	read int    // here on not read yet
}

func (t *tap) Read(p []byte) (int, error) {
	if t.read == len(t.buf) {
		if cap(t.buf) > 2*maxBatch {
			t.buf = nil
		}
		var err error
		if t.buf, err = t.viewer.take(t.ctx, t.buf[:0]); err != nil {
			t.read = len(t.buf)
			return 0, err
		}
		t.read = 0
	}
	n := copy(p, t.buf[t.read:])
	t.read += n
	return n, nil
}

// Close ends the stream; it wakes Read.
func (t *tap) Close() error {
	t.close.Do(func() { t.cancel(); t.hub.leave(t.viewer) })
	return nil
}
