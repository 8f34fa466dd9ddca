// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/internal/bearer"
)

func addMetricsFlag(cmd *cobra.Command, addr *string) {
	cmd.Flags().StringVar(addr, "metrics", "", "`HOST:PORT` at which Prometheus finds /metrics; beyond this machine with the token XP2P_TOKEN alone")
}

// serveMetrics serves GET /metrics with what the collectors give until stop is called; an
// empty addr serves nothing. It prints "metrics ready URL".
func serveMetrics(cmd *cobra.Command, addr string, log *slog.Logger, of ...prometheus.Collector) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	token := os.Getenv("XP2P_TOKEN")
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, badArgument(fmt.Errorf("--metrics %q is not HOST:PORT, such as 127.0.0.1:9350", addr))
	}
	ip, _ := netip.ParseAddr(host)
	if token == "" && host != "localhost" && !ip.IsLoopback() {
		return nil, badArgument(fmt.Errorf("--metrics %s is not this machine alone: listen on 127.0.0.1, or set XP2P_TOKEN", addr))
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, c := range of {
		reg.MustRegister(c)
	}
	metrics := promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if token != "" && !bearer.Has(r, token) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the token is missing or wrong: send Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		metrics.ServeHTTP(w, r)
	})
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, badArgument(fmt.Errorf("--metrics: %w", err))
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics", "err", err)
		}
	}()
	fmt.Fprintf(cmd.ErrOrStderr(), "metrics ready http://%s/metrics\n", ln.Addr())
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			srv.Close()
		}
		<-done
	}, nil
}
