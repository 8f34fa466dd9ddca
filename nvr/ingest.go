// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// errStalled ends an attempt whose stream is silent or has nothing but damage.
var errStalled = errors.New("no usable media within the time limit")

// errGarbled ends an attempt whose stream is damaged all the time.
var errGarbled = errors.New("the stream is damaged too often")

// maxDamage is how many stretches of damage an attempt survives, plus one for
// every tagsPerDamage good tags.
const (
	maxDamage     = 100
	tagsPerDamage = 100
)

// errIdle ends an attempt whose stream nobody wants.
var errIdle = errors.New("nobody wants the stream")

// ingest moves one stream through the gate until it ends. It always returns an error
// that says why: io.EOF when the camera ended the stream.
func (c *camera) ingest(ctx context.Context, stream io.ReadCloser, g *gate) error {
	// Whoever wants the end closes the stream, which wakes Read.
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	var stalled atomic.Bool
	watchdog := time.AfterFunc(c.nvr.timing.Stall, func() { stalled.Store(true); stream.Close() })
	defer watchdog.Stop()

	in := &intake{camera: c, gate: g, parser: flv.NewParser(flv.Options{})}
	for {
		buf := in.parser.Space(readBuffer)
		n, err := stream.Read(buf)
		c.received.Add(int64(n))
		in.parser.Filled(n)
		tags, parseErr := in.drain()
		if tags > 0 {
			watchdog.Reset(c.nvr.timing.Stall)
		}
		switch {
		case parseErr != nil:
			return parseErr
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && stalled.Load():
			return errStalled
		case err != nil:
			return err
		case !c.needed():
			return errIdle
		}
	}
}

// intake is the parsing half of one attempt.
type intake struct {
	camera *camera
	gate   *gate
	parser *flv.Parser
	tag    flv.Tag
	unit   demux.Unit
	good   int // tags
	bad    int // stretches of damage
}

// drain handles every whole tag that has arrived.
func (in *intake) drain() (tags int, err error) {
	if err := in.gate.turn(); err != nil {
		return 0, err
	}
	now := time.Now()
	for {
		err := in.parser.Next(&in.tag, &in.unit)
		var damage *flv.DamageError
		switch {
		case err == flv.ErrNeedMore:
			return tags, nil
		case errors.As(err, &damage):
			in.camera.damaged(damage)
			if in.bad++; in.bad > maxDamage+in.good/tagsPerDamage {
				return tags, fmt.Errorf("%w: %w", errGarbled, damage)
			}
			continue
		case err != nil:
			return tags, fmt.Errorf("read tag: %w", err)
		}
		tags++
		in.good++
		if u := &in.unit; u.Kind == demux.Video && !u.Config && !u.EndOfSequence {
			in.camera.frames.Add(1)
			in.camera.sawPicture()
		}
		if in.unit.Kind == demux.Audio && in.camera.cfg.NoSound {
			continue
		}
		in.camera.live.Put(&in.tag, &in.unit)
		if err := in.gate.put(&in.unit, now); err != nil {
			return tags, err
		}
	}
}
