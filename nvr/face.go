// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

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
// are the cameras in the order of the configuration, then those added later; the number
// of one stays the same, and one that is removed is offline. Watching one takes no
// second connection to it. Commands for the camera's own program (user_define) go on to
// the camera of their channel.
func (n *NVR) Device(cfg DeviceConfig) (*device.Device, error) {
	n.change.Lock() // no camera comes or goes meanwhile
	defer n.change.Unlock()
	cameras := n.all()
	if len(cameras) == 0 {
		return nil, errors.New("a device needs at least one camera")
	}
	if cfg.MaxViewers == 0 {
		cfg.MaxViewers = defaultDeviceViewers
	}
	f := &face{nvr: n}
	d := device.Config{Product: cfg.Product, Name: cfg.Name, MaxViewers: cfg.MaxViewers, Logger: n.log, Commands: f}
	for _, c := range cameras {
		f.names = append(f.names, c.cfg.Name)
		d.Channels = append(d.Channels, f.channel(c.cfg.Name))
	}
	var err error
	if f.device, err = device.New(d); err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.faces = append(n.faces, f)
	n.mu.Unlock()
	return f.device, nil
}

// face is the recorder as a device.
type face struct {
	nvr    *NVR
	device *device.Device

	mu    sync.Mutex
	names []string // of cameras, by channel
}

// add makes a camera a channel, unless it was one before.
func (f *face) add(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.names, name) {
		return
	}
	if f.device.AddChannel(f.channel(name)) >= 0 {
		f.names = append(f.names, name)
	}
}

func (f *face) channel(name string) device.Channel {
	return device.Channel{
		Name: name, Source: liveSource{f.nvr, name}, OnDemand: true, Archive: shelf.New(f.nvr.archive, name),
		Online: func() bool {
			s, err := f.nvr.Camera(name)
			return err == nil && (s.State == StateLive || s.State == StateIdle)
		},
	}
}

// liveSource is a camera's live stream as the source of a channel.
type liveSource struct {
	nvr  *NVR
	name string
}

func (s liveSource) Open(ctx context.Context) (io.ReadCloser, error) {
	return s.nvr.Watch(ctx, s.name)
}

// Command gives a command to the camera of its channel.
func (f *face) Command(ctx context.Context, command string) ([]byte, error) {
	name, err := f.camera(command)
	if err != nil {
		return nil, err
	}
	r, err := f.nvr.Command(ctx, name, command)
	switch {
	case err != nil:
		return nil, err
	case r.Type != session.CommandSuccess:
		return nil, fmt.Errorf("the camera: %s", r.ErrMsg)
	}
	return []byte(r.Data), nil
}

// camera is the one of the command's channel; a command without one is for the first.
func (f *face) camera(command string) (string, error) {
	channel := 0
	f.mu.Lock()
	defer f.mu.Unlock()
	for param := range strings.SplitSeq(command, "&") {
		if v, ok := strings.CutPrefix(param, "channel="); ok {
			v, err := url.QueryUnescape(v)
			if err == nil {
				channel, err = strconv.Atoi(v)
			}
			if err != nil || channel < 0 || channel >= len(f.names) {
				return "", fmt.Errorf("there is no channel %q", v)
			}
			break
		}
	}
	return f.names[channel], nil
}
