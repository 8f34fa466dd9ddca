// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/session"
	"github.com/xp2p/xp2p/session/local"
	"github.com/xp2p/xp2p/session/metrics"
	"go.yaml.in/yaml/v3"
)

func newServeCommand() *cobra.Command {
	var file, metricsAt string
	cmd := &cobra.Command{
		Use:   "serve --xp2p-info INFO [--local ADDR]",
		Short: "Give any player plain http URLs of cameras",
		Long: `Give any player, curl or script on this machine plain http URLs of cameras:
  http://127.0.0.1:8300/                                      the cameras, JSON
  http://127.0.0.1:8300/PRODUCT_DEVICE/ipc.flv?action=live    a stream
  http://127.0.0.1:8300/PRODUCT_DEVICE/command?COMMAND        a command
  http://127.0.0.1:8300/PRODUCT_DEVICE/voice                  talkback, by POST
  http://127.0.0.1:8300/PRODUCT_DEVICE/events                 the camera's messages

All players of a camera share one connection to it. Of a stream of many viewers
(1vN; --url, what xp2p source prints), at /NAME/ipc.flv, each player is a viewer.
GET /stat?xresid=NAME and /feature?upload=0&download=1 are the original's. It prints "serve ready URL".
Without a token (XP2P_TOKEN, at least 16 characters) it listens on loopback alone.`,
		Example: `  xp2p serve --xp2p-info front.info --xp2p-info back.info
  ffplay 'http://127.0.0.1:8300/SHOP_front/ipc.flv?action=live&channel=0'
  curl 'http://127.0.0.1:8300/SHOP_front/command?action=inner_define&channel=0&cmd=get_device_st&type=live'

  xp2p serve --url https://source.example/live/a.flv --code-url https://source.example/code/CODE
  ffplay http://127.0.0.1:8300/a/ipc.flv

  xp2p serve --config serve.yaml
  # serve.yaml; flags and XP2P_… come before it
  local: 127.0.0.1:8300
  rendezvous: nats://rendezvous.example:4222
  app: app.json
  cameras:
    - xp2p-info: front.info
    - xp2p-info: shed.info
      lan: 192.0.2.7:40000   # on the own network, without the rendezvous
    - url: https://source.example/live/a.flv
      code-url: https://source.example/code/CODE
      name: square           # http://127.0.0.1:8300/square/ipc.flv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runServe(cmd, file, metricsAt) },
	}
	addAccountFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&file, "config", "", "`FILE` with the cameras and what the flags say (YAML)")
	f.String("local", defaultLocal, "`HOST:PORT` to listen on; port 0: any free one")
	f.StringArray("xp2p-info", nil, "a camera's xp2pInfo, or a `FILE` that holds it; once for each camera")
	f.StringArray("url", nil, "`URL` of a 1vN stream; once for each")
	f.String("code-url", "", "`URL` of the key of the one --url, where it is sealed")
	f.String("key", "", "`FILE` with this viewer's key, made at first use; without it a key for this run alone")
	f.Duration("idle", 30*time.Second, "how long a camera's connection outlives its last player")
	addMetricsFlag(cmd, &metricsAt)
	f.Duration("timeout", 10*time.Second, "how long to try to reach a camera")
	return cmd
}

const defaultLocal = "127.0.0.1:8300"

// serveFile is the configuration file of serve.
type serveFile struct {
	Local      string        `yaml:"local"`
	Rendezvous string        `yaml:"rendezvous"`
	App        string        `yaml:"app"`
	Key        string        `yaml:"key"`
	Token      string        `yaml:"token"`
	Idle       time.Duration `yaml:"idle"`
	Cameras    []struct {
		XP2PInfo string `yaml:"xp2p-info"`
		LAN      string `yaml:"lan"`
		URL      string `yaml:"url"`
		CodeURL  string `yaml:"code-url"`
		Name     string `yaml:"name"`
	} `yaml:"cameras"`
}

func readServeFile(file string) (serveFile, error) {
	var c serveFile
	if file == "" {
		return c, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return c, err
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

func runServe(cmd *cobra.Command, file, metricsAt string) error {
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	c, err := readServeFile(file)
	if err != nil {
		return badArgument(err)
	}
	cfg, key, err := serveConfig(cmd, c)
	if err != nil {
		return badArgument(err)
	}
	var acct account
	if needsRendezvous(cfg) || hasMany(cfg) && hasRendezvous(cmd) {
		if acct, err = readAccount(cmd); err != nil {
			return err
		}
	}
	timeout, _ := cmd.Flags().GetDuration("timeout")
	m, err := session.Init(cmd.Context(), session.Config{App: acct.app, Rendezvous: acct.rendezvous, KeyFile: key, ConnectTimeout: timeout, Logger: log})
	if err != nil {
		return err
	}
	defer m.Close()
	cfg.Module, cfg.Logger = m, log
	s, err := local.Start(cfg)
	if err != nil {
		return err
	}
	stopMetrics, err := serveMetrics(cmd, metricsAt, log, metrics.Local(s.Stats))
	if err != nil {
		return errors.Join(err, s.Close())
	}
	defer stopMetrics()
	fmt.Fprintln(cmd.OutOrStdout(), "serve ready", s.URL())
	<-cmd.Context().Done()
	return s.Close()
}

// serveConfig brings the flags, the environment and the file together, in this order.
func serveConfig(cmd *cobra.Command, c serveFile) (cfg local.Config, key string, err error) {
	for name, v := range map[string]string{"local": c.Local, "rendezvous": c.Rendezvous, "app": c.App, "key": c.Key, "idle": durationText(c.Idle)} {
		if v == "" || cmd.Flags().Changed(name) || os.Getenv(environmentName(name)) != "" {
			continue
		}
		if err := cmd.Flags().Set(name, v); err != nil {
			return cfg, "", err
		}
	}
	v, err := flagsAndEnvironment(cmd)
	if err != nil {
		return cfg, "", err
	}
	cfg = local.Config{Listen: v.GetString("local"), Idle: v.GetDuration("idle"), Token: v.GetString("token")}
	if cfg.Token == "" {
		cfg.Token = c.Token
	}
	infos, _ := cmd.Flags().GetStringArray("xp2p-info")
	for _, i := range infos {
		cfg.Cameras = append(cfg.Cameras, local.Camera{XP2PInfo: i})
	}
	urls, _ := cmd.Flags().GetStringArray("url")
	codeURL, _ := cmd.Flags().GetString("code-url")
	if codeURL != "" && len(urls) != 1 {
		return cfg, "", errors.New("--code-url goes with one --url: several are for the --config file")
	}
	for _, u := range urls {
		cfg.Cameras = append(cfg.Cameras, local.Camera{URL: u, CodeURL: codeURL})
	}
	for _, cam := range c.Cameras {
		cfg.Cameras = append(cfg.Cameras, local.Camera{XP2PInfo: cam.XP2PInfo, LAN: cam.LAN, URL: cam.URL, CodeURL: cam.CodeURL, Name: cam.Name})
	}
	for i := range cfg.Cameras {
		if cfg.Cameras[i].URL != "" && cfg.Cameras[i].XP2PInfo == "" {
			continue
		}
		if cfg.Cameras[i].XP2PInfo, err = readInfo(cfg.Cameras[i].XP2PInfo); err != nil {
			return cfg, "", fmt.Errorf("camera %d: %w", i+1, err)
		}
	}
	if len(cfg.Cameras) == 0 {
		return cfg, "", errors.New("no camera given: set --xp2p-info or --url, or cameras in the --config file")
	}
	return cfg, v.GetString("key"), nil
}

func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func needsRendezvous(cfg local.Config) bool {
	for _, c := range cfg.Cameras {
		if c.LAN == "" && c.URL == "" {
			return true
		}
	}
	return false
}

// hasMany says whether there is a stream of many viewers, to which a rendezvous lends its
// STUN servers.
func hasMany(cfg local.Config) bool {
	for _, c := range cfg.Cameras {
		if c.URL != "" {
			return true
		}
	}
	return false
}
