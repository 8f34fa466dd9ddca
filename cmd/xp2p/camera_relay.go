// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"sync"

	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/swarm/feed"
)

// feedTokenEnv has the token that cameras show to the source that they feed.
const feedTokenEnv = "XP2P_FEED_TOKEN"

// channelURL is CHANNEL=URL.
var channelURL = regexp.MustCompile(`^([0-9]+)=(.*)$`)

// startRelays begins to feed channels of d to sources; stop ends it.
func startRelays(ctx context.Context, d *device.Device, channels int, relays []string, log *slog.Logger) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var cameras []*feed.Camera
	for _, r := range relays {
		channel, url := 0, r
		if m := channelURL.FindStringSubmatch(r); m != nil {
			url = m[2]
			if channel, err = strconv.Atoi(m[1]); err != nil || channel >= channels {
				cancel()
				return nil, fmt.Errorf("--relay: there is no channel %s: the first is 0, and there are %d", m[1], channels)
			}
		}
		c, err := feed.NewCamera(feed.CameraConfig{URL: url, Token: os.Getenv(feedTokenEnv), Logger: log.With("channel", channel),
			Open: func(ctx context.Context) (io.ReadCloser, error) { return d.Tap(ctx, channel) }})
		if err != nil {
			cancel()
			return nil, fmt.Errorf("--relay (token: %s): %w", feedTokenEnv, err)
		}
		cameras = append(cameras, c)
	}
	var wg sync.WaitGroup
	for _, c := range cameras {
		wg.Go(func() { c.Run(ctx) })
	}
	return func() { cancel(); wg.Wait() }, nil
}
