// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/session"
)

// addViewerFlags are the flags of every command that visits a camera.
func addViewerFlags(cmd *cobra.Command) {
	addAccountFlags(cmd)
	f := cmd.Flags()
	f.String("lan", "", "the camera's `HOST:PORT` on the own network (what xp2p discover prints); needs no rendezvous")
	f.String("xp2p-info", "", "the camera's xp2pInfo, or a `FILE` that holds it")
	f.String("key", "", "`FILE` with this viewer's key, made at first use; without it a key for this call alone")
	f.Duration("timeout", 10*time.Second, "how long to try to reach the camera")
	f.Bool("relay-only", false, "use relays alone, to test them")
	cmd.MarkFlagRequired("xp2p-info")
}

// visit connects to the camera that the flags name and hands over to do.
func visit(cmd *cobra.Command, events func(session.Event), do func(context.Context, *session.Service) error) error {
	f := cmd.Flags()
	lan, _ := f.GetString("lan")
	var acct account
	var err error
	if lan == "" {
		if acct, err = readAccount(cmd); err != nil {
			return err
		}
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
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
	var s *session.Service
	if lan == "" {
		s, err = m.StartService(cmd.Context(), "cli", session.StreamInfo{XP2PInfo: info, Events: events})
	} else {
		s, err = startOnLAN(cmd.Context(), m, lan, session.LANInfo{XP2PInfo: info, Events: events})
	}
	if err != nil {
		return err
	}
	return do(cmd.Context(), s)
}

// startOnLAN connects to the camera at HOST:PORT.
func startOnLAN(ctx context.Context, m *session.Module, at string, info session.LANInfo) (*session.Service, error) {
	host, port, err := net.SplitHostPort(at)
	if err == nil {
		info.Host = host
		info.Port, err = strconv.Atoi(port)
	}
	if err != nil {
		return nil, badArgument(fmt.Errorf("--lan %q is not HOST:PORT", at))
	}
	return m.StartLANService(ctx, "cli", info)
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
