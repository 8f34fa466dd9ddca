// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/rendezvous"
)

// face is the recorder as an X-P2P device, where its configuration makes it one.
type face struct {
	log    *slog.Logger
	device *device.Device // nil: it is none
	server *device.Server
	state  string
}

func openFace(n *nvr.NVR, cfg nvr.Config, log *slog.Logger) (*face, error) {
	if cfg.Device == nil {
		return &face{}, nil
	}
	f := &face{log: log, state: cfg.Device.State}
	serve := device.ServeConfig{Rendezvous: cfg.Rendezvous, LAN: cfg.Device.LAN, KeyFile: filepath.Join(f.state, "key.pem")}
	if err := os.MkdirAll(f.state, 0o700); err != nil {
		return nil, fmt.Errorf("device: state directory: %w", err)
	}
	var err error
	if cfg.Rendezvous != "" {
		if serve.App, err = rendezvous.ReadApp(cfg.App); err != nil {
			return nil, badArgument(fmt.Errorf("device: %w", err))
		}
	}
	if serve.Grants, err = grant.OpenBook(filepath.Join(f.state, grant.BookFile)); err != nil {
		return nil, badArgument(fmt.Errorf("device: %w", err))
	}
	if f.device, err = n.Device(*cfg.Device); err != nil {
		return nil, badArgument(fmt.Errorf("device: %w", err))
	}
	if f.server, err = device.NewServer(f.device, serve); err != nil {
		f.device.Close()
		return nil, fmt.Errorf("device: %w", err)
	}
	return f, nil
}

// deviceGrant is how long a new xp2p-info of the recorder holds.
const deviceGrant = 365 * 24 * time.Hour

// run serves viewers until ctx ends. A rendezvous that refuses the recorder is logged:
// recording goes on.
func (f *face) run(ctx context.Context, out io.Writer) error {
	if f.device == nil {
		<-ctx.Done()
		return nil
	}
	info, err := currentInfo(f.server, filepath.Join(f.state, "xp2p-info"), deviceGrant)
	if err != nil {
		return err
	}
	if a := f.server.LANAddr(); a.IsValid() {
		fmt.Fprintln(out, "nvr device lan", a)
	}
	if err := f.server.Run(ctx, func() { fmt.Fprintln(out, "nvr device ready", info) }); err != nil {
		f.log.Error("the recorder is no device: its rendezvous refuses it", "error", err)
		<-ctx.Done()
	}
	return nil
}

func (f *face) close() {
	if f.device != nil {
		f.device.Close()
	}
}
