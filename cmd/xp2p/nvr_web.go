// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/pipelines"
	"github.com/xp2p/xp2p/web"
)

// page is the web server, where the configuration has one.
type page struct{ server *web.Server }

func openWeb(n *nvr.NVR, cfg nvr.Config, log *slog.Logger) (page, error) {
	if cfg.Web == nil {
		return page{}, nil
	}
	c := web.Config{Listen: cfg.Web.Listen, Hosts: cfg.Web.Hosts, State: cfg.Web.State, Cameras: n, Recordings: n.Archive(), Logger: log}
	if still, err := pipelines.NewStill(); err != nil {
		log.Info("the page has no thumbnails", "error", err)
	} else {
		c.Pictures = still
	}
	s, err := web.Start(c)
	return page{s}, err
}

// announce says where the page is, with the token that lets a browser in.
func (p page) announce(out io.Writer) {
	if p.server != nil {
		fmt.Fprintln(out, "nvr web", p.server.LoginURL())
	}
}

func (p page) close() error {
	if p.server == nil {
		return nil
	}
	return p.server.Close()
}
