// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/device/input"
	"github.com/xp2p/xp2p/device/speaker"
	"github.com/xp2p/xp2p/grant"
)

type cameraOptions struct {
	product, device, state, hook string
	inputs                       []string
	record                       string
	recordMax                    byteSize
	speaker, talkAudio           string
	maxViewers                   int
	grantFor                     time.Duration
	relayOnly                    bool
	relay                        []string
}

func newCameraCommand() *cobra.Command {
	o := cameraOptions{recordMax: defaultRecordMax}
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
  gst:LAUNCH-LINE      any GStreamer pipeline that ends in FLV (needs GStreamer)

Several --input make an NVR with a channel for each, in their order; NAME=INPUT names
one. With --record viewers can play back and download what was recorded.

With --relay the camera feeds its stream to an xp2p source (1vN) while somebody watches
there, for the viewers that it has no room for and for all others. It needs
XP2P_FEED_TOKEN, the source's.

SPEAKER is where talkback goes, one talker at a time:
  FILE.wav             a WAV file of the last talk (alaw, mulaw, pcm)
  FILE                 an FLV file of the last talk
  FIFO                 FLV into a named pipe that somebody reads
  gst:LAUNCH-LINE      a GStreamer pipeline that takes FLV (needs GStreamer)`,
		Example: `  xp2p camera --product SHOP --device front --input rtsp://user:pass@192.0.2.7/1 --state /var/lib/xp2p/front
  xp2p camera --product T --device t1 --input test: --state /tmp/cam --record /tmp/cam/rec --record-max-bytes 2GB
  xp2p camera --product T --device t2 --state /tmp/cam2 \
      --input 'gst:v4l2src ! videoconvert ! x264enc tune=zerolatency ! flvmux streamable=true'
  xp2p camera --product T --device nvr --state /tmp/nvr --input door=test: --input yard=rtsp://192.0.2.8/1
  xp2p camera … --speaker 'gst:flvdemux ! alawdec ! audioconvert ! audioresample ! autoaudiosink'
  XP2P_FEED_TOKEN=… xp2p camera … --relay https://source.example/live/SHOP_front.flv
  xp2p camera … --command-hook ./ptz.sh        # command on stdin, reply on stdout`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runCamera(cmd, o) },
	}
	addAccountFlags(cmd)
	addLANFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.product, "product", "", "product `NAME` (letters, digits, - and _)")
	f.StringVar(&o.device, "device", "", "device `NAME` within the product")
	f.StringArrayVar(&o.inputs, "input", nil, "`[NAME=]INPUT`: where the picture comes from (see above); may be repeated")
	f.StringVar(&o.state, "state", "", "`DIR` for the camera's key and xp2p-info")
	f.StringVar(&o.record, "record", "", "`DIR` to record every channel to")
	f.Var(&o.recordMax, "record-max-bytes", "the oldest recordings are removed when all of them exceed this `SIZE`")
	f.StringVar(&o.speaker, "speaker", "", "`SPEAKER` that talkback goes to (see above); none: no talkback")
	f.StringVar(&o.talkAudio, "talk-audio", "alaw", "`SOUND` that talkers are to send: alaw, mulaw, aac or pcm")
	f.StringVar(&o.hook, "command-hook", "", "`PROGRAM` that answers user_define commands: command on stdin, reply on stdout")
	f.IntVar(&o.maxViewers, "max-viewers", 4, "viewers at once; the next one is refused with 405")
	f.DurationVar(&o.grantFor, "grant-for", 365*24*time.Hour, "how long a new xp2p-info holds; 0: for ever")
	f.StringArrayVar(&o.relay, "relay", nil, "`[CHANNEL=]URL` of the stream at an xp2p source --feed, of channel 0 without one; once for each")
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
	cfg, err := cameraConfig(o, log)
	if err != nil {
		return badArgument(err)
	}
	if err := os.MkdirAll(o.state, 0o700); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	rec, err := openRecordings(o, cfg.Channels, log)
	if err != nil {
		return err
	}
	defer rec.close()
	d, err := device.New(cfg)
	if err != nil {
		return badArgument(err)
	}
	defer d.Close()
	stopRelays, err := startRelays(cmd.Context(), d, len(cfg.Channels), o.relay, log)
	if err != nil {
		return badArgument(err)
	}
	defer stopRelays()
	if err := rec.start(cmd.Context(), d); err != nil {
		return err
	}
	defer rec.stop()
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

// cameraConfig makes the device of the flags; it opens nothing.
func cameraConfig(o cameraOptions, log *slog.Logger) (device.Config, error) {
	cfg := device.Config{Product: o.product, Name: o.device, MaxViewers: o.maxViewers, Logger: log}
	if o.maxViewers < 1 {
		return cfg, errors.New("--max-viewers must be at least 1")
	}
	names := map[string]bool{}
	for i, spec := range o.inputs {
		name, spec := inputName(spec)
		if name == "" {
			if name = o.device; len(o.inputs) > 1 {
				name = fmt.Sprintf("%s-%d", o.device, i)
			}
		}
		if names[name] {
			return cfg, fmt.Errorf("two inputs are called %q", name)
		}
		names[name] = true
		src, err := input.Parse(spec, input.Options{Logger: log})
		if err != nil {
			return cfg, err
		}
		cfg.Channels = append(cfg.Channels, device.Channel{Name: name, Source: src})
	}
	var err error
	if o.speaker != "" {
		if cfg.Speaker, err = speaker.Parse(o.speaker, o.talkAudio); err != nil {
			return cfg, err
		}
	} else if _, ok := speaker.Sounds[o.talkAudio]; !ok {
		return cfg, fmt.Errorf("--talk-audio %q: want alaw, mulaw, aac or pcm", o.talkAudio)
	}
	if o.hook != "" {
		h, err := device.NewHook(o.hook)
		if err != nil {
			return cfg, err
		}
		cfg.Commands = h
	}
	return cfg, nil
}

// namedInput is NAME=INPUT. No INPUT looks like it: they all have a colon first.
var namedInput = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9_.-]*)=(.*)$`)

func inputName(spec string) (name, input string) {
	if m := namedInput.FindStringSubmatch(spec); m != nil {
		return m[1], m[2]
	}
	return "", spec
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
