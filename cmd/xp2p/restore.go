// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/recorder"
)

func newRestoreCommand() *cobra.Command {
	var file, dir, id string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "restore --config FILE",
		Short: "Make the index of a lost disk again from the remote store",
		Long: `Make the index of a lost disk again from the bucket to which its files were copied ("remote"
in the configuration), so that xp2p nvr lists, plays and exports them as before. The new, empty
disk takes the place of the lost one in FILE, under any directory; xp2p nvr must not run.

Each file is fetched once and held against the SHA-256 with which it was sent; what does not
agree is named and left out, and the exit status is 1. Nothing is written to the bucket. What
was done stays done when it is broken off: the same command goes on. Locks, and the causes of
gaps, were on the disk alone.`,
		Example: `  xp2p restore --config nvr.yaml
  xp2p restore --config nvr.yaml --storage /mnt/new --id 3f9a01c27b6e55d0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := logger(cmd)
			if err != nil {
				return err
			}
			cfg, err := nvr.ReadConfig(file)
			if err != nil {
				return badArgument(err)
			}
			r := nvr.RestoreRequest{Dir: dir, ID: id, Logger: log}
			if !asJSON {
				r.Progress = func(d recorder.Restored) {
					fmt.Fprintf(cmd.ErrOrStderr(), "\r%d files restored, %d known, %d refused ", d.Files, d.Known, len(d.Refused))
				}
			}
			done, err := nvr.Restore(cmd.Context(), cfg, r)
			if !asJSON && done.Files > 0 {
				fmt.Fprintln(cmd.ErrOrStderr())
			}
			if err != nil {
				return err
			}
			return printRestored(cmd, done, asJSON)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "`FILE` of xp2p nvr, with remote (required)")
	cmd.Flags().StringVar(&dir, "storage", "", "`DIR` of the configuration that takes the lost storage's place (the one that is empty)")
	cmd.Flags().StringVar(&id, "id", "", "`ID` of the lost storage (the only one in the bucket that is not here)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON, and no progress")
	cmd.MarkFlagRequired("config")
	return cmd
}

func printRestored(cmd *cobra.Command, done recorder.Restored, asJSON bool) error {
	if asJSON {
		if done.Refused == nil {
			done.Refused = []recorder.Refused{} // [], not null
		}
		if err := json.NewEncoder(cmd.OutOrStdout()).Encode(done); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(cmd.OutOrStdout(), "restored %d files (%d bytes); %d were known\n", done.Files, done.Bytes, done.Known)
		for _, r := range done.Refused {
			fmt.Fprintf(cmd.OutOrStdout(), "refused %s: %s\n", r.Key, r.Why)
		}
	}
	if n := len(done.Refused); n > 0 {
		return fmt.Errorf("%d files of the remote store are not as they were sent, and were left out; they are still there", n)
	}
	return nil
}
