// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/session"
)

type pullOptions struct {
	params, out string
	seconds     seconds
	json        bool
}

func newPullCommand() *cobra.Command {
	var o pullOptions
	cmd := &cobra.Command{
		Use:   "pull --xp2p-info INFO [-o FILE]",
		Short: "Pull a camera's stream as FLV",
		Long: `Pull a camera's stream as FLV, into a file or to standard output, until the camera
ends it, --seconds are over or Ctrl-C. The output always ends with a whole tag.`,
		Example: `  xp2p pull --xp2p-info /tmp/cam/xp2p-info --seconds 10 -o clip.flv
  xp2p pull --xp2p-info 'XP2P…%1.0.0' --params 'action=live&channel=0&quality=high' -o - | ffplay -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runPull(cmd, o) },
	}
	addViewerFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.params, "params", "action=live&channel=0&quality=high", "`QUERY` of the request")
	f.StringVarP(&o.out, "output", "o", "-", "`FILE` to write, - for standard output")
	f.Var(&o.seconds, "seconds", "end after `N` seconds, or a time like 2m; 0: go on")
	f.BoolVar(&o.json, "json", false, "print the summary as JSON")
	return cmd
}

// pullSummary is what was pulled.
type pullSummary struct {
	Bytes   uint64  `json:"bytes"`
	Frames  int     `json:"frames"`
	Seconds float64 `json:"seconds"`
	FirstMS int64   `json:"first_frame_ms"` // from the call to the first key frame
	Path    string  `json:"path"`
	Resyncs uint64  `json:"resyncs"`

	Swarm *session.SwarmStats `json:"swarm,omitempty"` // of a 1vN stream
}

func runPull(cmd *cobra.Command, o pullOptions) error {
	began := time.Now()
	return visit(cmd, nil, func(ctx context.Context, s *session.Service) (err error) {
		st, err := s.StartStream(ctx, session.StreamRequest{Params: o.params})
		if err != nil {
			return err
		}
		defer st.Close()
		w, closeOut, err := openOutput(cmd, o.out)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeOut()) }()
		if o.seconds > 0 {
			c, cancel := context.WithTimeout(ctx, time.Duration(o.seconds))
			defer cancel()
			ctx = c
		}
		stop := context.AfterFunc(ctx, func() { st.Close() })
		defer stop()
		sum, err := copyTags(w, st, began)
		sum.Path = s.Path().Path
		if ctx.Err() != nil { // the end that was asked for
			err = nil
		}
		if err != nil {
			return err
		}
		return printSummary(cmd.ErrOrStderr(), sum, o.json)
	})
}

func openOutput(cmd *cobra.Command, name string) (io.Writer, func() error, error) {
	if name == "-" {
		return cmd.OutOrStdout(), func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, nil, badArgument(err)
	}
	return f, f.Close, nil
}

// copyTags writes whole tags until the stream ends; the camera's end is no error.
func copyTags(out io.Writer, in io.Reader, began time.Time) (sum pullSummary, err error) {
	w := bufio.NewWriterSize(out, 256<<10)
	defer func() { err = errors.Join(err, w.Flush()) }()
	if _, err := w.Write(flv.AppendHeader(nil, true, true)); err != nil {
		return sum, err
	}
	r := flv.NewReader(in, flv.Options{})
	var t flv.Tag
	var u demux.Unit
	start := time.Now()
	for {
		err := r.Next(&t, &u)
		sum.Seconds = time.Since(start).Seconds()
		if err != nil {
			sum.Resyncs = r.Stats().Resyncs
			if errors.Is(err, io.EOF) {
				return sum, nil
			}
			return sum, err
		}
		if u.Kind == demux.Video && !u.Config {
			if sum.Frames++; sum.Frames == 1 {
				sum.FirstMS = time.Since(began).Milliseconds()
			}
		}
		sum.Bytes += uint64(len(t.Raw))
		if _, err := w.Write(t.Raw); err != nil {
			return sum, fmt.Errorf("write: %w", err)
		}
		if w.Buffered() > 0 && u.Kind == demux.Video { // a player behind a pipe waits for frames, not for buffers
			if err := w.Flush(); err != nil {
				return sum, fmt.Errorf("write: %w", err)
			}
		}
	}
}

func printSummary(w io.Writer, s pullSummary, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(s)
	}
	_, err := fmt.Fprintf(w, "pulled %.1f MB, %d frames in %.1f s (%s path; first frame after %d ms)\n",
		float64(s.Bytes)/1e6, s.Frames, s.Seconds, s.Path, s.FirstMS)
	if m := s.Swarm; m != nil && err == nil {
		_, err = fmt.Fprintf(w, "from other viewers %.1f MB, from the source %.1f MB, given on %.1f MB; continuity %.2f %%\n",
			float64(m.PeerBytes)/1e6, float64(m.SourceBytes)/1e6, float64(m.SentBytes)/1e6, 100*m.Continuity)
	}
	return err
}
