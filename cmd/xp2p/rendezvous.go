// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/rendezvous/server"
	"github.com/xp2p/xp2p/swarm/keys"
)

func newRendezvousCommand() *cobra.Command {
	var cfg server.Config
	var public string
	var codes codeService
	cmd := &cobra.Command{
		Use:   "rendezvous --state DIR",
		Short: "Run the server at which cameras and viewers find each other",
		Long: `Run the server at which cameras and viewers find each other: signalling and
presence (NATS), STUN and TURN. It prints "rendezvous ready URL" and, at its first
start, writes the account for cameras and viewers to DIR/app.json.

Open the port of --listen for TCP and UDP, --turn-tcp for TCP, and the port after
--listen's for UDP, which tells peers the kind of their NAT.`,
		Example: `  xp2p rendezvous --listen 0.0.0.0:4222 --state /var/lib/xp2p
  xp2p rendezvous --listen 127.0.0.1:0 --state /tmp/rv     # for a try on one machine
  XP2P_KEY_TOKEN=… xp2p rendezvous --state /var/lib/xp2p --codes 0.0.0.0:8360   # and the key service of 1vN streams`,
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
			if err := codes.start(cmd, s, cfg.Logger); err != nil {
				return errors.Join(err, s.Close())
			}
			fmt.Fprintln(cmd.OutOrStdout(), "rendezvous ready", s.URL())
			<-cmd.Context().Done()
			codes.stop()
			return s.Close()
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Listen, "listen", "0.0.0.0:4222", "`ADDR` for signalling (TCP) and STUN/TURN (UDP)")
	f.StringVar(&cfg.State, "state", "", "`DIR` for keys and the registry (required)")
	f.IntVar(&cfg.TURNTCP, "turn-tcp", 0, "`PORT` of TURN over TCP; 0: the one after --listen's, -1: none")
	f.StringVar(&public, "public-ip", "", "`IP` at which the world reaches this server, behind a 1:1 NAT")
	f.StringVar(&codes.listen, "codes", "", "`ADDR` for the key service of 1vN streams (http; token for sources: XP2P_KEY_TOKEN); empty: none")
	f.DurationVar(&codes.lifetime, "code-lifetime", keys.DefaultLifetime, "how long a code holds unless its source renews it")
	cmd.MarkFlagRequired("state")
	return cmd
}

// codeService is the key service of 1vN streams, with its codes in the rendezvous' store.
type codeService struct {
	listen   string
	lifetime time.Duration
	srv      *http.Server
	done     chan struct{}
}

func (c *codeService) start(cmd *cobra.Command, s *server.Server, log *slog.Logger) error {
	if c.listen == "" {
		return nil
	}
	if c.lifetime < time.Minute {
		return badArgument(errors.New("--code-lifetime must be at least 1m"))
	}
	bucket, err := s.KeyValue(cmd.Context(), "codes", 2*c.lifetime)
	if err != nil {
		return fmt.Errorf("key service: %w", err)
	}
	ln, err := net.Listen("tcp", c.listen)
	if err != nil {
		return badArgument(fmt.Errorf("--codes: %w", err))
	}
	service := keys.NewService(keys.NewKV(bucket), c.lifetime)
	c.srv = &http.Server{Handler: service.Handler(keys.HandlerConfig{Token: os.Getenv("XP2P_KEY_TOKEN"), Logger: log}),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 20 * time.Second}
	c.done = make(chan struct{})
	go func() {
		defer close(c.done)
		c.srv.Serve(ln) // until stop
	}()
	fmt.Fprintf(cmd.OutOrStdout(), "codes ready http://%s/code\n", ln.Addr())
	return nil
}

func (c *codeService) stop() {
	if c.srv != nil {
		c.srv.Close()
		<-c.done
	}
}
