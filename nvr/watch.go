// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/session"
)

// watchMarks bound what waits for one watcher: some seconds of a camera, since what
// is gathered for recording comes in bursts. Above High it loses whole groups of
// pictures.
var watchMarks = device.Watermarks{Low: 1 << 20, Warn: 3 << 20, High: 4 << 20}

// Watch gives the camera's live stream as FLV, from a key frame on, without another
// connection to the camera. Where the camera is away it waits for it until ctx
// ends; ctx does not bound the stream. The stream ends with io.EOF when the camera's
// does; then Watch again. A watcher that is slow loses whole groups of pictures and
// slows nobody.
//
// While somebody watches, streams over plain http are read every 20 ms; those of
// peers come as they were asked for, which is each 100 ms.
func (n *NVR) Watch(ctx context.Context, name string) (io.ReadCloser, error) {
	c, err := n.find("watch", name)
	if err != nil {
		return nil, err
	}
	release := c.watched()
	stream, err := c.live.Join(ctx)
	if err != nil {
		release()
	}
	switch {
	case err == io.ErrClosedPipe:
		return nil, fmt.Errorf("camera %s: the recorder ends: %w", name, err)
	case err != nil:
		s := c.status()
		if s.Error != "" {
			err = fmt.Errorf("%w; its last attempt ended with: %s", err, s.Error)
		}
		return nil, &session.Error{Op: "watch", Code: session.StreamFailed, Err: fmt.Errorf("camera %s is %s: %w", name, s.State, err)}
	}
	unpace := n.pacer.watch()
	return &watching{stream, sync.OnceFunc(func() { unpace(); release() })}, nil
}

// watching keeps the stream and shortens the pacer's tick while it is open.
type watching struct {
	io.ReadCloser
	release func()
}

func (w *watching) Close() error {
	defer w.release()
	return w.ReadCloser.Close()
}
