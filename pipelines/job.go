// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/xp2p/xp2p/internal/launch"
)

// Source is one camera of a pipeline: Element or Open.
type Source struct {
	Name string // of the camera, for messages and status
	// Element gives FLV by itself, such as "xp2psrc". It is a piece of the line.
	Element string
	// Open gives the camera's FLV, which goes to the process through a pipe. It waits
	// for the camera until ctx ends, which does not bound the stream; Close wakes a
	// Read. It is called for every attempt.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Job is what a Runner runs.
type Job struct {
	Name     string // of the run, for status and events; "": the pipeline's
	Pipeline *Pipeline
	Params   map[string]string
	Sources  []Source
	// Env are additional variables, NAME=VALUE, for the process alone: where secrets
	// belong. Their values are shown in no message.
	Env []string
	// Stdin is the process's standard input; nil: there is none.
	Stdin *os.File
	// Dir is where the process runs, and where relative paths begin; "": here.
	Dir string
	// Always begins again whenever it ends; else a failure does, Retries times in a row.
	Always  bool
	Retries int // -1: no limit
}

// Options are what all runs share. The zero value is usable.
type Options struct {
	// Program takes gst-launch-1.0's place in tests.
	Program string
	// PluginDir is where libgstxp2p.so is; "": beside this program, if it is there, else
	// where GStreamer looks.
	PluginDir string
	// Events is told of every change and must not block; nil: nobody is.
	Events func(Event)
	Logger *slog.Logger // nil: discarded
	Timing Timing
}

func (o Options) withDefaults() Options {
	if o.Program == "" {
		o.Program = launch.GStreamer
	}
	if o.PluginDir == "" {
		o.PluginDir = besideProgram()
	}
	if o.Events == nil {
		o.Events = func(Event) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Timing = o.Timing.withDefaults()
	return o
}

// pluginFile is the plugin that has xp2pdemux, xp2psrc and xp2psink.
const pluginFile = "libgstxp2p.so"

// besideProgram is the directory of this program if the plugin is there too.
func besideProgram() string {
	exe, err := os.Executable()
	if err != nil {
		return ""
	}
	dir := filepath.Dir(exe)
	if _, err := os.Stat(filepath.Join(dir, pluginFile)); err != nil {
		return ""
	}
	return dir
}

// Check says what is wrong with a job before it runs: a ParamError names the parameter.
func (j *Job) Check() error {
	_, err := j.words()
	return err
}

// firstFD is the descriptor of the first of exec.Cmd.ExtraFiles.
const firstFD = 3

// words are those of the line; the descriptors are those that run hands over: first
// one for each source with Open, then the pictures'.
func (j *Job) words() ([]string, error) {
	b := Bindings{Start: time.Now()}
	fd := firstFD
	for _, s := range j.Sources {
		element := s.Element
		if s.Open != nil {
			element = fmt.Sprintf("fdsrc fd=%d", fd)
			fd++
		}
		b.Sources = append(b.Sources, element)
	}
	b.Frames = fd
	return j.Pipeline.Expand(j.Params, b)
}

func (j *Job) value(name string) (string, error) {
	return (&expansion{p: j.Pipeline, values: j.Params}).value(name)
}

// makeDirs makes the directories that the line writes to.
func (j *Job) makeDirs() error {
	for _, p := range j.Pipeline.Params {
		if p.Kind != Dir {
			continue
		}
		dir, err := j.value(p.Name)
		if err != nil {
			return err
		}
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(j.Dir, dir)
		}
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return &ParamError{p.Name, err.Error()}
		}
	}
	return nil
}

// secrets are the values that no message shows.
func (j *Job) secrets() []string {
	var l []string
	for _, p := range j.Pipeline.Params {
		if v := j.Params[p.Name]; p.Kind == Secret && v != "" {
			l = append(l, v)
		}
	}
	for _, e := range j.Env {
		if _, v, ok := cutEnv(e); ok && len(v) >= leastSecret {
			l = append(l, v)
		}
	}
	return l
}

// leastSecret keeps values such as "1" from being cut out of every message.
const leastSecret = 8

func (j *Job) cameras() []string {
	var l []string
	for _, s := range j.Sources {
		if s.Name != "" {
			l = append(l, s.Name)
		}
	}
	return l
}

// status at the beginning.
func (j *Job) status() Status {
	s := Status{Name: j.Name, Use: j.Pipeline.Name, Cameras: j.cameras(), Run: "manual", State: StateStopped, Since: time.Now()}
	if j.Always {
		s.Run = "always"
	}
	return s
}
