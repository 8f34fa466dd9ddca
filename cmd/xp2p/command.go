// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/session"
)

func newCommandCommand() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "command --xp2p-info INFO 'QUERY'",
		Short: "Send a camera a command and print its answer",
		Long: `Send a camera a command and print the result as JSON:
  {"type","status","data","errcode","errmsg"}
type is success, failure (the camera said no), error or timeout; the exit status is
0 for success alone.`,
		Example: `  xp2p command --xp2p-info cam/xp2p-info 'action=inner_define&channel=0&cmd=get_device_st&type=live'
  xp2p command --xp2p-info cam/xp2p-info 'action=user_define&cmd=ptz_left' | jq -r .data`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return visit(cmd, nil, func(ctx context.Context, s *session.Service) error {
				ctx, cancel := context.WithTimeout(ctx, wait)
				defer cancel()
				r, err := s.SendCommand(ctx, args[0])
				if e := json.NewEncoder(cmd.OutOrStdout()).Encode(r); e != nil {
					return e
				}
				if err == nil && r.Type != session.CommandSuccess {
					err = fmt.Errorf("%s: %s", r.Type, r.ErrMsg)
				}
				return err
			})
		},
	}
	addViewerFlags(cmd)
	cmd.Flags().DurationVar(&wait, "wait", 7500*time.Millisecond, "how long to wait for the answer")
	return cmd
}
