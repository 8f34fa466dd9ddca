// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/control"
	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/nvr/hooks"
	"github.com/xp2p/xp2p/pipelines"
)

func newNVRCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "nvr --config FILE",
		Short: "Record cameras",
		Long: `Record cameras, reached peer to peer or as http-flv URLs, until SIGINT or SIGTERM.

Recordings are fragmented MP4 files of about a minute, which any player opens, in
DIR/CAMERA/DATE/TIME.mp4. Each second of them is on the disk when the next one
begins. The control socket tells what happens: see "xp2p ctl --help".

SIGHUP, or the method config.reload, reads FILE again and changes what changed in it:
other cameras are not interrupted.

It prints "nvr ready SOCKET" when it records, and before it, where the configuration
has web, "nvr web URL": open that once, it lets the browser in.`,
		Example: `  xp2p nvr --config nvr.yaml

  # nvr.yaml
  rendezvous: nats://rendezvous.example:4222
  app: app.json
  control: /run/xp2p/control.sock
  storage:
    - dir: /var/lib/xp2p/archive
  cameras:
    - name: gate
      xp2p-info: gate.info
      params: action=live&channel=0&quality=high
    - name: yard
      url: http://192.0.2.7/live.flv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := logger(cmd)
			if err != nil {
				return err
			}
			cfg, err := nvr.ReadConfig(file)
			if err != nil {
				return badArgument(err)
			}
			return runNVR(cmd.Context(), cfg, file, log, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "`FILE` that says what to record and where (required; docs/guide/nvr.md)")
	cmd.MarkFlagRequired("config")
	return cmd
}

// gcPercent keeps the heap small: recording allocates next to nothing, so
// collecting it more often costs nothing either.
const gcPercent = 25

// runNVR records until ctx ends, then commits what was written. file is where cfg came
// from; pipelines run beside it. What is ready is said on out.
func runNVR(ctx context.Context, cfg nvr.Config, file string, log *slog.Logger, out io.Writer) (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	var n *nvr.NVR
	jobs, err := pipelineJobs(cfg, filepath.Dir(file), func() watcher { return n })
	if err != nil {
		return badArgument(fmt.Errorf("%s: %w", file, err))
	}
	n, err = nvr.Open(cfg, nvr.Options{Logger: log, AAC: pipelines.AAC{}})
	if err != nil {
		return err
	}
	hooked := hooks.Start(n.Subscribe(), cfg.Hooks, log)
	defer func() { err = errors.Join(err, n.Close(), hooked.Close()) }()
	set, err := newPipelineSet(jobs, n, log)
	if err != nil {
		return badArgument(err)
	}
	defer set.Close()
	re := &reloader{file: file, nvr: n, set: set, log: log, cfg: cfg, jobs: jobs}
	s, err := control.Listen(control.Config{Path: controlPath(cfg), Cameras: n, Recordings: n.Archive(), Pipelines: set,
		Dir: filepath.Dir(file), Hooks: hooked.Status, Reload: re.reload, Logger: log})
	if err != nil {
		return err
	}
	defer s.Close()
	face, err := openFace(n, cfg, log)
	if err != nil {
		return err
	}
	defer face.close()
	page, err := openWeb(n, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, page.close()) }()
	set.Begin()
	page.announce(out)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { re.onHangup(ctx) })
	fmt.Fprintln(out, "nvr ready", s.Path())
	return face.run(ctx, out)
}

// controlPath is where the control socket is.
func controlPath(cfg nvr.Config) string {
	if cfg.Control == "" {
		return filepath.Join(cfg.Storage[0].Dir, "control.sock")
	}
	return cfg.Control
}
