// SPDX-License-Identifier: LGPL-2.1-or-later

package shelf

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/recorder"
)

const (
	// recordTick is how long tags gather before they are recorded together: wake-ups
	// are what recording costs.
	recordTick = 100 * time.Millisecond
	// recordRead is how much is read at once.
	recordRead = 64 << 10
	// recordRetry is the pause behind a stream that could not be recorded.
	recordRetry = time.Second
)

// Record keeps what a channel of d sends until ctx ends. What is missing has its
// cause in the archive's ledger.
func Record(ctx context.Context, d *device.Device, channel int, c *recorder.CameraRecorder, log *slog.Logger) {
	for {
		err := recordStream(ctx, d, channel, c)
		if ctx.Err() != nil {
			return
		}
		log.Warn("recording interrupted", "camera", c.Name(), "err", err)
		select {
		case <-time.After(recordRetry):
		case <-ctx.Done():
			return
		}
	}
}

// recordStream is one stream of the channel, into one run.
func recordStream(ctx context.Context, d *device.Device, channel int, c *recorder.CameraRecorder) error {
	stream, err := d.Tap(ctx, channel)
	if err != nil {
		if ctx.Err() == nil {
			c.Mark(recorder.CauseCamera)
		}
		return err
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	run := c.StartRun()
	err = record(ctx, stream, run)
	cause := recorder.CauseCamera
	if ctx.Err() != nil {
		cause = recorder.CauseRestart
	}
	run.Close(cause)
	return err
}

// record moves a stream into a run. It always returns why that ended.
func record(ctx context.Context, stream io.Reader, run *recorder.Run) error {
	p := flv.NewParser(flv.Options{})
	var tag flv.Tag
	var u demux.Unit
	for {
		n, err := stream.Read(p.Space(recordRead))
		p.Filled(n)
		for {
			var damage *flv.DamageError
			perr := p.Next(&tag, &u)
			if perr == flv.ErrNeedMore {
				break
			}
			if errors.As(perr, &damage) {
				continue // the device has counted it
			}
			if perr != nil {
				return perr
			}
			if werr := run.Write(&u); werr != nil {
				return werr
			}
		}
		if err != nil {
			return err
		}
		if n >= recordRead/2 {
			continue // more than that waits: do not fall behind
		}
		select {
		case <-time.After(recordTick):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
