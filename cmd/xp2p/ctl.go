// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/control"
)

func newCtlCommand() *cobra.Command {
	var socket, batch string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "ctl --socket PATH METHOD [JSON] | ctl --socket PATH --batch FILE",
		Short: "Call a method of a running recorder",
		Long: `Call a method of a running recorder (xp2p nvr) and print its result as JSON.

system.info lists the methods; docs/guide/control.md describes them. events.subscribe
prints one event per line until it is interrupted.

With --batch each line of FILE is a METHOD and its JSON; empty lines and those that begin
with # are left out. Calls are made one after the other, and each prints one line of JSON:
its line number, method and result. The first that fails ends it.`,
		Example: `  xp2p ctl --socket /run/xp2p/control.sock camera.list
  xp2p ctl --socket /run/xp2p/control.sock camera.status '{"camera":"gate"}'
  xp2p ctl --socket /run/xp2p/control.sock record.list '{"from":"2026-11-24T17:00:00Z"}' | jq .segments
  xp2p ctl --socket /run/xp2p/control.sock command.send '{"camera":"gate","command":"action=user_define&cmd=ptz_left"}'
  xp2p ctl --socket /run/xp2p/control.sock events.subscribe
  printf 'camera.remove {"camera":"old"}\nconfig.reload\n' | xp2p ctl --socket /run/xp2p/control.sock --batch -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if batch != "" {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.RangeArgs(1, 2)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if batch != "" {
				return runBatch(cmd, socket, timeout, batch)
			}
			var params any
			if len(args) == 2 {
				if !json.Valid([]byte(args[1])) {
					return badArgument(fmt.Errorf("parameters are not JSON: %s", args[1]))
				}
				params = json.RawMessage(args[1])
			}
			return callControl(cmd, socket, timeout, args[0], params)
		},
	}
	cmd.Flags().StringVar(&socket, "socket", "", "`PATH` of the control socket (required; what xp2p nvr prints)")
	cmd.Flags().StringVar(&batch, "batch", "", "`FILE` of calls, one per line; - for standard input")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait for each answer")
	cmd.MarkFlagRequired("socket")
	return cmd
}

// callControl prints the result of one call, and with events.subscribe then every
// event until the context or the connection ends.
func callControl(cmd *cobra.Command, socket string, timeout time.Duration, method string, params any) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	var events func(json.RawMessage)
	subscribe := method == "events.subscribe"
	if subscribe {
		events = func(e json.RawMessage) { fmt.Fprintf(out, "%s\n", e) }
	}
	c, err := control.Dial(ctx, socket, events)
	if err != nil {
		return err
	}
	defer c.Close()
	call, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var result json.RawMessage
	if err := c.Call(call, method, params, &result); err != nil {
		return err
	}
	if !subscribe {
		return printJSON(out, result)
	}
	select {
	case <-ctx.Done():
		return nil
	case <-c.Done():
		return errors.New("the recorder ended the connection")
	}
}

func printJSON(w io.Writer, result json.RawMessage) error {
	var b bytes.Buffer
	if err := json.Indent(&b, result, "", "  "); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	b.WriteByte('\n')
	_, err := b.WriteTo(w)
	return err
}
