// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/session"
	"github.com/xp2p/xp2p/session/metrics"
)

type swarmOptions struct {
	codeURL    string
	upload     float64 // Mbit/s
	noUpload   bool
	noDownload bool
	out        string
	seconds    seconds
	json       bool
	metrics    string
}

func newSwarmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "swarm",
		Short: "View a 1vN stream, whose viewers carry each other",
	}
	cmd.AddCommand(newSwarmPullCommand(), newSwarmWatchCommand(), newSwarmSimulateCommand())
	return cmd
}

func addSwarmFlags(cmd *cobra.Command, o *swarmOptions) {
	addAccountFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.codeURL, "code-url", "", "`URL` of a sealed stream's key, with the code (what xp2p source --seal prints)")
	f.Float64Var(&o.upload, "max-upload", 0, "upload at most `MBIT/S` to other viewers; 0: 85 % of what the line carries")
	f.BoolVar(&o.noUpload, "no-upload", false, "give other viewers nothing")
	f.BoolVar(&o.noDownload, "no-download", false, "take all from the source")
	addMetricsFlag(cmd, &o.metrics)
	f.Var(&o.seconds, "seconds", "end after `N` seconds, or a time like 2m; 0: go on")
}

func newSwarmPullCommand() *cobra.Command {
	var o swarmOptions
	cmd := &cobra.Command{
		Use:   "pull URL [-o FILE]",
		Short: "Pull a 1vN stream as FLV",
		Long: `Pull a 1vN stream as FLV, from its source and from its other viewers, into a file or to
standard output. A rendezvous (--rendezvous, --app) lends its STUN servers;
without one viewers meet where their addresses can be reached.`,
		Example: `  xp2p swarm pull https://source.example/live/a.flv -o - | ffplay -
  xp2p swarm pull https://source.example/live/a.flv --code-url https://source.example/code/CODE --seconds 10 -o clip.flv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			began := time.Now()
			return view(cmd, args[0], o, func(ctx context.Context, s *session.Service, st *session.Stream) (err error) {
				w, closeOut, err := openOutput(cmd, o.out)
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, closeOut()) }()
				sum, err := copyTags(w, st, began)
				sum.Path = s.Path().Path
				if stats, ok := s.Swarm(); ok {
					sum.Swarm = &stats
				}
				if ctx.Err() != nil { // the end that was asked for
					err = nil
				}
				if err != nil {
					return err
				}
				return printSummary(cmd.ErrOrStderr(), sum, o.json)
			})
		},
	}
	addSwarmFlags(cmd, &o)
	f := cmd.Flags()
	f.StringVarP(&o.out, "output", "o", "-", "`FILE` to write, - for standard output")
	f.BoolVar(&o.json, "json", false, "print the summary as JSON")
	return cmd
}

func newSwarmWatchCommand() *cobra.Command {
	var o swarmOptions
	cmd := &cobra.Command{
		Use:   "watch URL",
		Short: "Show how a viewer of a 1vN stream is doing, every second",
		Long: `Join a 1vN stream and show every second how this viewer is doing: what part of its bytes
comes from other viewers, how late they are, what it gives on. The pictures are
thrown away.`,
		Example: `  xp2p swarm watch http://127.0.0.1:8350/live/a.flv --max-upload 5`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return view(cmd, args[0], o, func(ctx context.Context, s *session.Service, st *session.Stream) error {
				copied := make(chan error, 1)
				go func() {
					_, err := io.Copy(io.Discard, st)
					copied <- err
				}()
				t := time.NewTicker(time.Second)
				defer t.Stop()
				drawn := newDrawing(cmd.OutOrStdout())
				for {
					select {
					case <-t.C:
						if stats, ok := s.Swarm(); ok {
							drawn.draw(stats)
						}
					case err := <-copied:
						if ctx.Err() != nil {
							return nil
						}
						return err
					}
				}
			})
		},
	}
	addSwarmFlags(cmd, &o)
	return cmd
}

// view joins a 1vN stream and hands it over to do.
func view(cmd *cobra.Command, stream string, o swarmOptions, do func(context.Context, *session.Service, *session.Stream) error) error {
	if o.upload < 0 {
		return badArgument(errors.New("--max-upload cannot be negative"))
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	var acct account
	if hasRendezvous(cmd) {
		if acct, err = readAccount(cmd); err != nil {
			return err
		}
	}
	m, err := session.Init(cmd.Context(), session.Config{App: acct.app, Rendezvous: acct.rendezvous, MaxUpload: o.upload * 1e6 / 8, Logger: log})
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := m.StartService(cmd.Context(), "cli", session.StreamInfo{URL: stream, CodeURL: o.codeURL})
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	if o.noUpload || o.noDownload {
		if err := s.SwitchSwarm(!o.noDownload, !o.noUpload); err != nil {
			return err
		}
	}
	st, err := s.StartStream(ctx, session.StreamRequest{})
	if err != nil {
		return err
	}
	defer st.Close()
	if o.seconds > 0 {
		c, cancel := context.WithTimeout(ctx, time.Duration(o.seconds))
		defer cancel()
		ctx = c
	}
	defer context.AfterFunc(ctx, func() { st.Close() })()
	stopMetrics, err := serveMetrics(cmd, o.metrics, log, metrics.Viewers("stream", func() map[string]session.SwarmStats {
		stats, ok := s.Swarm()
		if !ok {
			return nil
		}
		return map[string]session.SwarmStats{streamName(stream): stats}
	}))
	if err != nil {
		return err
	}
	defer stopMetrics()
	return do(ctx, s, st)
}

// streamName is what a stream is called: its URL's host and path, without what may be secret.
func streamName(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Host + u.Path
}

// drawing shows statistics: on a terminal always in the same place, else line by line.
type drawing struct {
	w        io.Writer
	terminal bool
	drawn    bool
	last     session.SwarmStats
}

func newDrawing(w io.Writer) *drawing {
	d := &drawing{w: w}
	if f, ok := w.(*os.File); ok {
		if fi, err := f.Stat(); err == nil {
			d.terminal = fi.Mode()&os.ModeCharDevice != 0
		}
	}
	return d
}

func (d *drawing) draw(s session.SwarmStats) {
	peers, source, sent := s.PeerBytes-d.last.PeerBytes, s.SourceBytes-d.last.SourceBytes, s.SentBytes-d.last.SentBytes
	d.last = s
	share := 0.0
	if n := peers + source; n > 0 {
		share = 100 * float64(peers) / float64(n)
	}
	if !d.terminal {
		fmt.Fprintf(d.w, "peers %.0f%%  down %s  up %s  lag %d ms  continuity %.2f%%  links %d  stripes %d/4  forged %d\n",
			share, mbit(peers+source), mbit(sent), s.LagMS, 100*s.Continuity, s.Links, s.FromPeers, s.Forged)
		return
	}
	const lines = 6
	if d.drawn {
		fmt.Fprintf(d.w, "\x1b[%dA", lines)
	}
	d.drawn = true
	fmt.Fprintf(d.w, "\x1b[Kfrom viewers  %s %3.0f %%  %s\n", bar(share/100), share, mbit(peers))
	fmt.Fprintf(d.w, "\x1b[Kfrom source   %s %3.0f %%  %s\n", bar(1-share/100), 100-share, mbit(source))
	fmt.Fprintf(d.w, "\x1b[Kto viewers    %s over %d links\n", mbit(sent), s.Links)
	fmt.Fprintf(d.w, "\x1b[Klag           %d ms\n", s.LagMS)
	fmt.Fprintf(d.w, "\x1b[Kcontinuity    %.3f %%\n", 100*s.Continuity)
	fmt.Fprintf(d.w, "\x1b[Kstripes       %d of 4 from viewers; %d forged, %d twice\n", s.FromPeers, s.Forged, s.Duplicates)
}

func mbit(bytes uint64) string { return fmt.Sprintf("%.2f Mbit/s", float64(bytes)*8/1e6) }

// bar is a part of one, drawn.
func bar(part float64) string {
	const width = 30
	n := int(min(max(part, 0), 1)*width + 0.5)
	return "[" + strings.Repeat("#", n) + strings.Repeat(".", width-n) + "]"
}
