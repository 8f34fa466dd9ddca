// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/device/input"
	"github.com/xp2p/xp2p/grant"
)

type cameraOptions struct {
	product, device, input, state, hook string
	maxViewers                          int
	grantFor                            time.Duration
	relayOnly                           bool
}

func newCameraCommand() *cobra.Command {
	var o cameraOptions
	cmd := &cobra.Command{
		Use:   "camera --product P --device D --input INPUT --state DIR",
		Short: "Offer a stream as an X-P2P camera",
		Long: `Offer a stream as an X-P2P camera. It prints "camera ready XP2PINFO" when viewers
can reach it, and writes the XP2PINFO, which lets a viewer in, to DIR/xp2p-info.

INPUT is one of
  flv:FILE             a file, in real time, again and again
  http(s)://….flv      an http-flv stream
  rtsp://…             an RTSP camera
  test:                a moving pattern with clock and tone (needs GStreamer)
  gst:LAUNCH-LINE      any GStreamer pipeline that ends in FLV (needs GStreamer)`,
		Example: `  xp2p camera --product SHOP --device front --input rtsp://user:pass@192.0.2.7/1 --state /var/lib/xp2p/front
  xp2p camera --product T --device t1 --input test: --state /tmp/cam
  xp2p camera --product T --device t2 --state /tmp/cam2 \
      --input 'gst:v4l2src ! videoconvert ! x264enc tune=zerolatency ! flvmux streamable=true'
  xp2p camera … --command-hook ./ptz.sh        # command on stdin, reply on stdout`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runCamera(cmd, o) },
	}
	addAccountFlags(cmd)
	addLANFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.product, "product", "", "product `NAME` (letters, digits, - and _)")
	f.StringVar(&o.device, "device", "", "device `NAME` within the product")
	f.StringVar(&o.input, "input", "", "where the picture comes from (see above)")
	f.StringVar(&o.state, "state", "", "`DIR` for the camera's key and xp2p-info")
	f.StringVar(&o.hook, "command-hook", "", "`PROGRAM` that answers user_define commands: command on stdin, reply on stdout")
	f.IntVar(&o.maxViewers, "max-viewers", 4, "viewers at once; the next one is refused with 405")
	f.DurationVar(&o.grantFor, "grant-for", 365*24*time.Hour, "how long a new xp2p-info holds; 0: for ever")
	f.BoolVar(&o.relayOnly, "relay-only", false, "use relays alone, to test them")
	for _, n := range []string{"product", "device", "input", "state"} {
		cmd.MarkFlagRequired(n)
	}
	return cmd
}

func runCamera(cmd *cobra.Command, o cameraOptions) error {
	acct, err := cameraAccount(cmd)
	if err != nil {
		return err
	}
	lan, grants, err := reachable(cmd, o.state)
	if err != nil {
		return badArgument(err)
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	src, err := input.Parse(o.input, input.Options{Logger: log})
	if err != nil {
		return badArgument(err)
	}
	if o.maxViewers < 1 {
		return badArgument(errors.New("--max-viewers must be at least 1"))
	}
	cfg := device.Config{
		Product: o.product, Name: o.device, MaxViewers: o.maxViewers, Logger: log,
		Channels: []device.Channel{{Name: o.device, Source: src}},
	}
	if o.hook != "" {
		h, err := device.NewHook(o.hook)
		if err != nil {
			return badArgument(err)
		}
		cfg.Commands = h
	}
	if err := os.MkdirAll(o.state, 0o700); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	d, err := device.New(cfg)
	if err != nil {
		return badArgument(err)
	}
	defer d.Close()
	s, err := device.NewServer(d, device.ServeConfig{
		Rendezvous: acct.rendezvous, App: acct.app, RelayOnly: o.relayOnly,
		KeyFile: filepath.Join(o.state, "key.pem"),
		LAN:     lan, Grants: grants,
	})
	if err != nil {
		return err
	}
	sayLAN(cmd.OutOrStdout(), s)
	info, err := currentInfo(s, filepath.Join(o.state, "xp2p-info"), o.grantFor)
	if err != nil {
		return err
	}
	err = s.Run(cmd.Context(), func() { fmt.Fprintln(cmd.OutOrStdout(), "camera ready", info) })
	if err != nil {
		return badArgument(err)
	}
	return nil
}

// renewBefore is how long a kept xp2p-info must hold, or a new one is made.
const renewBefore = 24 * time.Hour

// currentInfo is the xp2pInfo in file, so that it stays the same over restarts,
// or a new one where there is none that holds.
func currentInfo(s *device.Server, file string, holdsFor time.Duration) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if info := strings.TrimSpace(string(b)); s.Holds(info, renewBefore) {
		return info, nil
	}
	var expires time.Time
	if holdsFor > 0 {
		expires = time.Now().Add(holdsFor)
	}
	info, err := s.Issue(grant.AllRights, expires, "")
	if err != nil {
		return "", badArgument(err)
	}
	tmp := file + ".tmp"
	if err := os.WriteFile(tmp, []byte(info+"\n"), 0o600); err != nil {
		return "", err
	}
	return info, os.Rename(tmp, file)
}
