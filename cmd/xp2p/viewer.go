// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/session"
)

// addViewerFlags are the flags of every command that visits a camera.
func addViewerFlags(cmd *cobra.Command) {
	addAccountFlags(cmd)
	f := cmd.Flags()
	f.String("xp2p-info", "", "the camera's xp2pInfo, or a `FILE` that holds it")
	f.String("key", "", "`FILE` with this viewer's key, made at first use; without it a key for this call alone")
	f.Duration("timeout", 10*time.Second, "how long to try to reach the camera")
	f.Bool("relay-only", false, "use relays alone, to test them")
	cmd.MarkFlagRequired("xp2p-info")
}

// visit connects to the camera that the flags name and hands over to do.
func visit(cmd *cobra.Command, events func(session.Event), do func(context.Context, *session.Service) error) error {
	acct, err := readAccount(cmd)
	if err != nil {
		return err
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	f := cmd.Flags()
	arg, _ := f.GetString("xp2p-info")
	info, err := readInfo(arg)
	if err != nil {
		return badArgument(err)
	}
	cfg := session.Config{App: acct.app, Rendezvous: acct.rendezvous, Logger: log}
	cfg.KeyFile, _ = f.GetString("key")
	cfg.ConnectTimeout, _ = f.GetDuration("timeout")
	cfg.RelayOnly, _ = f.GetBool("relay-only")
	m, err := session.Init(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := m.StartService(cmd.Context(), "cli", session.StreamInfo{XP2PInfo: info, Events: events})
	if err != nil {
		return err
	}
	return do(cmd.Context(), s)
}

// readInfo is the xp2pInfo itself, or the content of the file that arg names.
func readInfo(arg string) (string, error) {
	if arg == "" {
		return "", errors.New("no xp2pInfo given: set --xp2p-info to what the camera printed")
	}
	if strings.HasPrefix(arg, "XP2P") && strings.Contains(arg, "%") {
		return arg, nil
	}
	b, err := os.ReadFile(arg)
	if err != nil { // not a file: let the grant's own parser say what is wrong with it
		return arg, nil
	}
	return strings.TrimSpace(string(b)), nil
}
