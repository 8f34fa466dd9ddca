// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/session"
)

func newGrantCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "grant",
		Short: "Make, list, revoke and explain xp2pInfos",
		Long: `An xp2pInfo is a grant: the camera's signature under what its holder may do, until
when, and perhaps with which viewer's key. The camera's owner makes grants from the
camera's state directory, and revokes them while the camera runs.`,
	}
	cmd.AddCommand(newGrantCreateCommand(), newGrantShowCommand(), newGrantListCommand(), newGrantRevokeCommand(), newViewerKeyCommand())
	return cmd
}

type grantOptions struct {
	state, product, device, version, rights, viewer, note string
	holds                                                 time.Duration
}

func newGrantCreateCommand() *cobra.Command {
	var o grantOptions
	cmd := &cobra.Command{
		Use:   "create --state DIR --rights live,command --for 720h",
		Short: "Make an xp2pInfo of a camera, and print it",
		Example: `  xp2p grant create --state /var/lib/xp2p/front --rights live --for 48h --note 'the neighbour'
  xp2p grant create --state /var/lib/xp2p/front --viewer "$(xp2p grant viewer-key --key viewer.pem)"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, err := createGrant(o)
			if err != nil {
				return badArgument(err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), info)
			return nil
		},
	}
	f := cmd.Flags()
	addStateFlag(cmd, &o.state)
	f.StringVar(&o.rights, "rights", "all", "what is allowed: live, playback, download, voice, command, divided by commas, or all")
	f.DurationVar(&o.holds, "for", 30*24*time.Hour, "how long it holds; 0: for ever")
	f.StringVar(&o.viewer, "viewer", "", "`PIN` of the only viewer's key that may use it (xp2p grant viewer-key); without it, whoever holds it")
	f.StringVar(&o.note, "note", "", "`TEXT` for xp2p grant list")
	f.StringVar(&o.product, "product", "", "the camera's product, where it has not run yet")
	f.StringVar(&o.device, "device", "", "the camera's name, where it has not run yet")
	f.StringVar(&o.version, "version", "", "the camera's version, where it has not run yet (1.0.0)")
	return cmd
}

func addStateFlag(cmd *cobra.Command, state *string) {
	cmd.Flags().StringVar(state, "state", "", "the camera's state `DIR` (required)")
	cmd.MarkFlagRequired("state")
}

func newGrantShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show INFO|FILE",
		Short: "Say in plain words what a string allows, or why it is no xp2pInfo",
		Long: `Say in plain words what an xp2pInfo allows, or what is wrong with a string that is
said to be one. The exit status is 0 when it holds now.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			info := args[0]
			if b, err := readLimited(info); err == nil && !strings.HasPrefix(info, "XP2P") {
				info = string(b)
			}
			lines, ok := grant.Explain(info, time.Now())
			for _, l := range lines {
				fmt.Fprintln(cmd.OutOrStdout(), l)
			}
			if !ok {
				return &codedError{errors.New("it cannot be used"), session.BadXP2PInfo}
			}
			return nil
		},
	}
}

// readLimited reads the beginning of a file: what is longer than an xp2pInfo is none.
func readLimited(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 64<<10))
}

func newGrantListCommand() *cobra.Command {
	var state string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list --state DIR",
		Short: "List the grants of a camera",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			entries, err := listGrants(state)
			if err != nil {
				return badArgument(err)
			}
			return printGrants(cmd.OutOrStdout(), entries, asJSON)
		},
	}
	addStateFlag(cmd, &state)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

type listedGrant struct {
	grant.Entry
	State string `json:"state"`
}

func printGrants(w io.Writer, entries []grant.Entry, asJSON bool) error {
	now := time.Now()
	if asJSON {
		list := []listedGrant{}
		for _, e := range entries {
			list = append(list, listedGrant{e, e.State(now)})
		}
		return json.NewEncoder(w).Encode(list)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTATE\tRIGHTS\tEXPIRES\tVIEWER\tNOTE")
	for _, e := range entries {
		expires, viewer := "never", "any"
		if !e.Expires.IsZero() {
			expires = e.Expires.Format(time.RFC3339)
		}
		if e.Viewer != "" {
			viewer = e.Viewer
		}
		rights := make([]string, len(e.Rights))
		for i, r := range e.Rights {
			rights[i] = string(r)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, e.State(now), strings.Join(rights, ","), expires, viewer, e.Note)
	}
	return t.Flush()
}

func newGrantRevokeCommand() *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use:   "revoke --state DIR ID|INFO…",
		Short: "Revoke grants: a running camera ends their links",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, a := range args {
				own, err := revokeGrant(state, a)
				if err != nil {
					return badArgument(err)
				}
				if own {
					fmt.Fprintln(cmd.ErrOrStderr(), "That was the camera's own xp2p-info: it makes a new one when it starts the next time.")
				}
			}
			return nil
		},
	}
	addStateFlag(cmd, &state)
	return cmd
}

func newViewerKeyCommand() *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:   "viewer-key --key FILE",
		Short: "Print the pin of a viewer's key, for grant create --viewer",
		Long: `Print the pin of a viewer's key, for "xp2p grant create --viewer". The key is made at
first use; the viewer then uses it by --key FILE. It stays on the viewer's machine.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			pin, err := session.ViewerPin(key)
			if err != nil {
				return badArgument(err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), pin)
			return nil
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "`FILE` with the viewer's key (required)")
	cmd.MarkFlagRequired("key")
	return cmd
}
