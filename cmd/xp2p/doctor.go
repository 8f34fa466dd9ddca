// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/nvr"
)

type doctorOptions struct {
	config, info, lan string
	timeout           time.Duration
	json              bool
}

func newDoctorCommand() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor [--config FILE] [--xp2p-info INFO]",
		Short: "Look for what is wrong",
		Long: `Look for what is wrong with this machine, the way to the rendezvous and to cameras, and a
recorder's configuration, and say what to do about it.

Without flags it looks at the machine alone; with --rendezvous and --app at the account and
the network; with --xp2p-info at a camera, too; with --config at a recorder's storages and at
every camera of it. Nothing is changed and nothing recorded. It ends with status 1 if
something fails; what only might be better is a note or a warning.`,
		Example: `  xp2p doctor
  xp2p doctor --rendezvous nats://rendezvous.example:4222 --app app.json --xp2p-info cam/xp2p-info
  xp2p doctor --config nvr.yaml --json | jq '.[] | select(.level == "fail")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd, o) },
	}
	addAccountFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.config, "config", "", "`FILE` of a recorder (xp2p nvr)")
	f.StringVar(&o.info, "xp2p-info", "", "a camera's xp2pInfo, or a `FILE` that holds it")
	f.StringVar(&o.lan, "lan", "", "that camera's `HOST:PORT` on the own network; needs no rendezvous")
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "how long each look may take")
	f.BoolVar(&o.json, "json", false, "print the findings as JSON")
	return cmd
}

// level says how bad a finding is.
type level string

const (
	levelOK   level = "ok"
	levelNote level = "note" // nothing is wrong, but something is not there
	levelWarn level = "warn" // it works, and might fail or be better
	levelFail level = "fail"
)

// finding is what one look found.
type finding struct {
	Check string `json:"check"`
	Level level  `json:"level"`
	Say   string `json:"say"`
	Do    string `json:"do,omitempty"` // what to do next
	Code  int    `json:"code,omitempty"`
}

// doctor gathers findings and prints each as it comes.
type doctor struct {
	cmd   *cobra.Command
	o     doctorOptions
	out   io.Writer
	found []finding
}

func (d *doctor) say(f finding) {
	d.found = append(d.found, f)
	if d.o.json {
		return
	}
	fmt.Fprintf(d.out, "%-4s  %-14s  %s\n", f.Level, f.Check, indented(f.Say))
	if f.Do != "" {
		fmt.Fprintf(d.out, "%22s  -> %s\n", "", indented(f.Do))
	}
}

// indented puts further lines under the first.
func indented(s string) string { return strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", 24)) }

// failed is a finding of an error.
func (d *doctor) failed(check string, err error, do string) {
	f := finding{Check: check, Level: levelFail, Say: errorText(err), Do: do}
	if code, ok := codeOf(err); ok {
		f.Code = int(code)
	}
	d.say(f)
}

func (d *doctor) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(d.cmd.Context(), d.o.timeout)
}

func runDoctor(cmd *cobra.Command, o doctorOptions) error {
	d := &doctor{cmd: cmd, o: o, out: cmd.OutOrStdout()}
	d.machine()
	var cfg *nvr.Config
	if o.config != "" {
		cfg = d.configuration()
	}
	running := cfg != nil && d.running(cfg)
	d.peers(cfg, running)
	if cfg != nil && !running {
		for _, s := range cfg.Storage {
			d.storage(s.Dir)
		}
	}
	if err := cmd.Context().Err(); err != nil {
		return err
	}
	if o.json {
		e := json.NewEncoder(d.out)
		e.SetIndent("", "  ")
		if err := e.Encode(d.found); err != nil {
			return err
		}
	}
	fails := 0
	for _, f := range d.found {
		if f.Level == levelFail {
			fails++
		}
	}
	if fails > 0 {
		return fmt.Errorf("%d of %d looks found something wrong", fails, len(d.found))
	}
	return nil
}
