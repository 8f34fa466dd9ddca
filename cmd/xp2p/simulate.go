// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/swarm/simulate"
)

func newSwarmSimulateCommand() *cobra.Command {
	var sizes []int
	var out string
	cmd := &cobra.Command{
		Use:   "simulate --out DIR",
		Short: "Run swarms in simulated time and draw what they come to",
		Long: `Run swarms of each size in simulated time, with the very decisions of real viewers, and
write what they come to: runs.csv, and offload.svg, lag.svg and continuity.svg. Four kinds of
swarm: steady (each viewer uploads 1.4 times the stream's rate), churn (likewise, and a
fifth of the viewers changes every minute), ample (likewise, with 2.5 times), mixed (0.5
to 4 times, 10 % free riders, 20 % symmetric NATs, 2 % loss, crashes, churn).`,
		Example: `  xp2p swarm simulate --out /tmp/swarm --peers 10,100,1000`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(sizes) == 0 {
				return badArgument(errors.New("--peers names no size"))
			}
			for _, n := range sizes {
				if n < 1 || n > 100_000 {
					return badArgument(fmt.Errorf("--peers %d: 1 to 100000", n))
				}
			}
			return simulateAll(cmd, sizes, out)
		},
	}
	cmd.Flags().IntSliceVar(&sizes, "peers", []int{10, 50, 200, 1000}, "sizes of swarms")
	cmd.Flags().StringVar(&out, "out", "", "`DIR` for the results (required)")
	cmd.MarkFlagRequired("out")
	return cmd
}

// swarmKinds are what is simulated, by name.
var swarmKinds = []struct {
	name string
	cfg  simulate.Config
}{
	{"steady", simulate.Config{}},
	{"churn", simulate.Config{Churn: 0.2}},
	{"ample", simulate.Config{Churn: 0.2, Upload: []float64{2.5}}},
	{"mixed", simulate.Config{Churn: 0.2, Crash: true, Loss: 0.02, FreeRiders: 0.1, Symmetric: 0.2, Upload: []float64{0.5, 1, 2, 4}}},
}

func simulateAll(cmd *cobra.Command, sizes []int, out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	offload := simulate.Chart{Title: "Bytes that viewers have from each other", XLabel: "viewers", YLabel: "part", LogX: true, MaxY: 1}
	lag := simulate.Chart{Title: fmt.Sprintf("Lag of %d viewers", sizes[len(sizes)-1]), XLabel: "lag, ms", YLabel: "part of chunks", MaxY: 1}
	continuity := simulate.Chart{Title: "Chunks in time", XLabel: "viewers", YLabel: "part", LogX: true, MinY: 0.99, MaxY: 1}
	csv := "kind,peers,offload,bound,continuity,lag_p50_ms,lag_p99_ms,duplicates,longest_stall_ms,moves_per_viewer_minute\n"
	bound := simulate.Series{Name: "bound, steady"}
	for i, k := range swarmKinds {
		o, c := simulate.Series{Name: k.name}, simulate.Series{Name: k.name}
		for _, n := range sizes {
			cfg := k.cfg
			cfg.Peers = n
			if n > 2000 { // half a minute behind the start is enough
				cfg.Length = time.Minute
			}
			r, err := simulate.Run(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			row := fmt.Sprintf("%s,%d,%.4f,%.4f,%.5f,%d,%d,%.4f,%d,%.2f\n", k.name, n, r.Offload, r.Bound, r.Continuity,
				r.Lag(0.5).Milliseconds(), r.Lag(0.99).Milliseconds(), r.Duplicates, r.LongestStall.Milliseconds(), r.Moves)
			fmt.Fprint(cmd.OutOrStdout(), row)
			csv += row
			o.X, o.Y = append(o.X, float64(n)), append(o.Y, r.Offload)
			c.X, c.Y = append(c.X, float64(n)), append(c.Y, r.Continuity)
			if i == 0 {
				bound.X, bound.Y = append(bound.X, float64(n)), append(bound.Y, r.Bound)
			}
			if n == sizes[len(sizes)-1] {
				s := simulate.Series{Name: k.name}
				for q := 0; q < 1000; q += 10 {
					s.X, s.Y = append(s.X, float64(r.Lag(float64(q)/1000).Milliseconds())), append(s.Y, float64(q)/1000)
				}
				lag.Series = append(lag.Series, s)
			}
		}
		offload.Series, continuity.Series = append(offload.Series, o), append(continuity.Series, c)
	}
	offload.Series = append(offload.Series, bound)
	err := os.WriteFile(filepath.Join(out, "runs.csv"), []byte(csv), 0o644)
	for name, c := range map[string]*simulate.Chart{"offload.svg": &offload, "lag.svg": &lag, "continuity.svg": &continuity} {
		err = errors.Join(err, writeFile(filepath.Join(out, name), c.WriteSVG))
	}
	return err
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
