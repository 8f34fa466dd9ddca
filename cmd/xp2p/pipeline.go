// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/pipelines"
)

func newPipelineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pipeline",
		Short: "Show and run GStreamer pipelines for cameras",
		Long: `Show and run ready-made GStreamer pipelines for cameras.

Each is text in gst-launch syntax: print it, change it, run it, or put it into the
recorder's configuration (docs/guide/pipelines.md).`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newPipelineListCommand(), newPipelineShowCommand(), newPipelineRunCommand())
	return cmd
}

func newPipelineListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the ready-made pipelines",
		Example: "  xp2p pipeline list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printPipelinesJSON(cmd.OutOrStdout())
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, p := range pipelines.List() {
				fmt.Fprintf(w, "%s\t%s\n", p.Name, p.Summary)
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON, with the parameters")
	return cmd
}

// pipelineInfo is an element of `xp2p pipeline list --json`.
type pipelineInfo struct {
	Name    string      `json:"name"`
	Summary string      `json:"summary"`
	Sources int         `json:"sources"` // cameras at most
	Params  []paramInfo `json:"params"`
}

type paramInfo struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"`
	Default *string  `json:"default"` // null: it must be given
	Unit    string   `json:"unit,omitempty"`
	About   string   `json:"about"`
	Choices []string `json:"choices,omitempty"`
}

func printPipelinesJSON(w io.Writer) error {
	list := []pipelineInfo{}
	for _, p := range pipelines.List() {
		_, most := p.Sources()
		info := pipelineInfo{Name: p.Name, Summary: p.Summary, Sources: most, Params: []paramInfo{}}
		for _, param := range p.Params {
			i := paramInfo{Name: param.Name, Kind: string(param.Kind), Unit: param.Unit, About: param.About}
			if !param.Required {
				i.Default = &param.Default
			}
			for _, a := range param.Choices {
				i.Choices = append(i.Choices, a.Value)
			}
			info.Params = append(info.Params, i)
		}
		list = append(list, info)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(list)
}

func newPipelineShowCommand() *cobra.Command {
	var expand bool
	cmd := &cobra.Command{
		Use:   "show NAME [--expand [PARAMETER=VALUE…]]",
		Short: "Print a pipeline: its parameters and its launch line",
		Long: `Print a pipeline as it is, with its parameters. With --expand print instead what
gst-launch-1.0 is given for these values, as a command for the shell; the camera is
then what XP2P_INFO, XP2P_RENDEZVOUS and XP2P_APP say.`,
		Example: `  xp2p pipeline show record
  xp2p pipeline show --expand snapshot location=now.jpg`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := pipelines.Find(args[0])
			if err != nil {
				return err
			}
			if !expand {
				if len(args) > 1 {
					return badArgument(fmt.Errorf("values go with --expand"))
				}
				_, err := io.WriteString(cmd.OutOrStdout(), p.Text)
				return err
			}
			params, sources, err := parseAssignments(args[1:])
			if err != nil {
				return err
			}
			b := pipelines.Bindings{Frames: 1, Start: time.Now()}
			least, _ := p.Sources()
			for range max(len(sources), least) {
				b.Sources = append(b.Sources, "xp2psrc")
			}
			words, err := p.Expand(params, b)
			if err != nil {
				return err
			}
			for i := range words {
				words[i] = shellWord(words[i])
			}
			fmt.Fprintln(cmd.OutOrStdout(), "gst-launch-1.0 -e", strings.Join(words, " "))
			return nil
		},
	}
	cmd.Flags().BoolVar(&expand, "expand", false, "print the command for these values")
	return cmd
}

// shellWord quotes what the shell would not take as it is.
func shellWord(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,%+@", r)
	}
	if s == "!" || s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !safe(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// parseAssignments reads NAME=VALUE…; source is no parameter and may come several times.
func parseAssignments(args []string) (params map[string]string, sources []string, err error) {
	params = map[string]string{}
	for _, a := range args {
		name, v, ok := strings.Cut(a, "=")
		if !ok {
			return nil, nil, badArgument(fmt.Errorf("%q is not PARAMETER=VALUE", a))
		}
		if name == "source" {
			sources = append(sources, v)
			continue
		}
		if _, twice := params[name]; twice {
			return nil, nil, badArgument(fmt.Errorf("%s is given twice", name))
		}
		params[name] = v
	}
	return params, sources, nil
}
