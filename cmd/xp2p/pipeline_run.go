// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/pipelines"
)

type pipelineRunOptions struct {
	retries int
	json    bool
	info    string
}

func newPipelineRunCommand() *cobra.Command {
	var o pipelineRunOptions
	cmd := &cobra.Command{
		Use:   "run NAME|FILE [PARAMETER=VALUE…] [source=SOURCE…]",
		Short: "Run a pipeline until it ends, or Ctrl-C",
		Long: `Run a ready-made pipeline, or one of your own from a FILE (a name with a slash or
ending in .gst), until it comes to its end or is interrupted; what it writes is then
finished, within two seconds.

SOURCE is where the camera's stream comes from:
  (none)       the camera of --xp2p-info or XP2P_INFO, through the element xp2psrc
  INFO-FILE    a file that holds a camera's xp2pInfo
  file:PATH    an FLV file, as fast as it is taken
  http(s)://…  an http-flv stream
  -            standard input
A pipeline of several cameras takes several.

Motion is printed as lines of JSON; with --json so is every change of state.`,
		Example: `  export XP2P_RENDEZVOUS=nats://rendezvous.example:4222 XP2P_APP=app.json XP2P_INFO='XP2P…%1.0.0'
  xp2p pipeline run view
  xp2p pipeline run record to=clips segment=600 --retries -1
  xp2p pipeline run transcode source=file:clip.flv location=clip.mp4
  xp2p pipeline run mosaic source=front.info source=yard.info
  xp2p pipeline run ./mine.gst source=front.info`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runPipeline(cmd, o, args) },
	}
	addAccountFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.info, "xp2p-info", "", "`FILE` that holds the camera's xp2pInfo, or the xp2pInfo itself (XP2P_INFO)")
	f.IntVar(&o.retries, "retries", 0, "begin again after a failure, at most `N` times in a row; -1: no limit")
	f.BoolVar(&o.json, "json", false, "print every change of state as a line of JSON")
	return cmd
}

func runPipeline(cmd *cobra.Command, o pipelineRunOptions, args []string) error {
	p, err := findPipeline(args[0])
	if err != nil {
		return err
	}
	params, specs, err := parseAssignments(args[1:])
	if err != nil {
		return err
	}
	if o.retries < -1 {
		return badArgument(errors.New("--retries must be -1 or more"))
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	env, err := pipelineEnvironment(cmd, o.info)
	if err != nil {
		return err
	}
	in := &inputs{cmd: cmd, log: log}
	defer in.close()
	job := pipelines.Job{Pipeline: p, Params: params, Env: env, Stdin: os.Stdin, Retries: o.retries}
	if least, _ := p.Sources(); len(specs) == 0 && least > 0 {
		specs = []string{""}
	}
	for _, s := range specs {
		src, err := in.source(s)
		if err != nil {
			return badArgument(err)
		}
		job.Sources = append(job.Sources, src)
	}
	lines := &eventLines{e: json.NewEncoder(cmd.OutOrStdout()), states: o.json}
	r, err := pipelines.NewRunner(job, pipelines.Options{Logger: log, Events: lines.print})
	if err != nil {
		return err
	}
	return r.Run(cmd.Context())
}

// findPipeline gives a ready-made pipeline, or that of a file.
func findPipeline(arg string) (*pipelines.Pipeline, error) {
	if !strings.ContainsRune(arg, '/') && !strings.HasSuffix(arg, ".gst") {
		return pipelines.Find(arg)
	}
	text, err := os.ReadFile(arg)
	if err != nil {
		return nil, badArgument(err)
	}
	p, err := pipelines.Parse(string(text))
	if err != nil {
		return nil, badArgument(fmt.Errorf("%s: %w", arg, err))
	}
	return p, nil
}

// pipelineEnvironment is how the elements xp2psrc and xp2psink find their camera: by
// variables, which other users of the machine do not see.
func pipelineEnvironment(cmd *cobra.Command, info string) ([]string, error) {
	v, err := flagsAndEnvironment(cmd)
	if err != nil {
		return nil, err
	}
	var env []string
	for _, name := range []string{"rendezvous", "app"} {
		if s := v.GetString(name); s != "" {
			env = append(env, environmentName(name)+"="+s)
		}
	}
	if info == "" {
		info = os.Getenv(envXP2PInfo)
	}
	if info == "" {
		return env, nil
	}
	info, err = readInfo(info)
	if err != nil {
		return nil, badArgument(err)
	}
	return append(env, envXP2PInfo+"="+info), nil
}

// envXP2PInfo is where xp2psrc and xp2psink look for an xp2pInfo.
const envXP2PInfo = "XP2P_INFO"

// eventLines prints events as they come.
type eventLines struct {
	mu     sync.Mutex
	e      *json.Encoder
	states bool
}

func (l *eventLines) print(ev pipelines.Event) {
	if ev.Type == "state" && !l.states {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.e.Encode(ev) // a reader that has gone ends the command by SIGPIPE
}

// openFile is the Open of a source that is a file.
func openFile(path string) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return os.Open(path) }
}
