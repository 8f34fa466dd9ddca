// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/rendezvous/server"
)

func newRendezvousCommand() *cobra.Command {
	var cfg server.Config
	var public string
	cmd := &cobra.Command{
		Use:   "rendezvous --state DIR",
		Short: "Run the server at which cameras and viewers find each other",
		Long: `Run the server at which cameras and viewers find each other: signalling and
presence (NATS), STUN and TURN. It prints "rendezvous ready URL" and, at its first
start, writes the account for cameras and viewers to DIR/app.json.

Open the port of --listen for TCP and UDP, --turn-tcp for TCP, and the port after
--listen's for UDP, which tells peers the kind of their NAT.`,
		Example: `  xp2p rendezvous --listen 0.0.0.0:4222 --state /var/lib/xp2p
  xp2p rendezvous --listen 127.0.0.1:0 --state /tmp/rv     # for a try on one machine`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if cfg.Logger, err = logger(cmd); err != nil {
				return err
			}
			if public != "" {
				if cfg.PublicIP, err = netip.ParseAddr(public); err != nil {
					return badArgument(fmt.Errorf("--public-ip: %w", err))
				}
			}
			s, err := server.Start(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "rendezvous ready", s.URL())
			<-cmd.Context().Done()
			return s.Close()
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Listen, "listen", "0.0.0.0:4222", "`ADDR` for signalling (TCP) and STUN/TURN (UDP)")
	f.StringVar(&cfg.State, "state", "", "`DIR` for keys and the registry (required)")
	f.IntVar(&cfg.TURNTCP, "turn-tcp", 0, "`PORT` of TURN over TCP; 0: the one after --listen's, -1: none")
	f.StringVar(&public, "public-ip", "", "`IP` at which the world reaches this server, behind a 1:1 NAT")
	cmd.MarkFlagRequired("state")
	return cmd
}
