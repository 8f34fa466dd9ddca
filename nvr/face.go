// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/nvr/shelf"
	"github.com/xp2p/xp2p/session"
)

// DeviceConfig makes the recorder itself an X-P2P device: each of its cameras is a
// channel, live and recorded.
type DeviceConfig struct {
	Product    string
	Name       string
	State      string // directory of its key, xp2p-info and grants
	LAN        string // UDP address for viewers on the own network; empty: none
	MaxViewers int    // 0: 16
}

const defaultDeviceViewers = 16

// Device makes the device; whoever serves it closes it, before the NVR. Channels
// are the cameras in the order of the configuration. Watching one takes no second
// connection to it. Commands for the camera's own program (user_define) go on to the
// camera of their channel.
func (n *NVR) Device(cfg DeviceConfig) (*device.Device, error) {
	if len(n.cameras) == 0 {
		return nil, errors.New("a device needs at least one camera")
	}
	if cfg.MaxViewers == 0 {
		cfg.MaxViewers = defaultDeviceViewers
	}
	d := device.Config{Product: cfg.Product, Name: cfg.Name, MaxViewers: cfg.MaxViewers, Logger: n.log, Commands: passOn{n}}
	for _, c := range n.cameras {
		d.Channels = append(d.Channels, device.Channel{
			Name: c.cfg.Name, Source: watched{n, c.cfg.Name}, OnDemand: true,
			Online:  func() bool { return c.status().State == StateLive },
			Archive: shelf.New(n.archive, c.cfg.Name),
		})
	}
	return device.New(d)
}

// watched is a camera's live stream as the source of a channel.
type watched struct {
	nvr  *NVR
	name string
}

func (w watched) Open(ctx context.Context) (io.ReadCloser, error) { return w.nvr.Watch(ctx, w.name) }

// passOn gives commands to the camera of their channel.
type passOn struct{ nvr *NVR }

func (p passOn) Command(ctx context.Context, command string) ([]byte, error) {
	channel := 0
	for param := range strings.SplitSeq(command, "&") {
		if v, ok := strings.CutPrefix(param, "channel="); ok {
			v, err := url.QueryUnescape(v)
			if err == nil {
				channel, err = strconv.Atoi(v)
			}
			if err != nil || channel < 0 || channel >= len(p.nvr.cameras) {
				return nil, fmt.Errorf("there is no channel %q", v)
			}
			break
		}
	}
	r, err := p.nvr.cameras[channel].source.command(ctx, command)
	switch {
	case err != nil:
		return nil, err
	case r.Type != session.CommandSuccess:
		return nil, fmt.Errorf("the camera: %s", r.ErrMsg)
	}
	return []byte(r.Data), nil
}
