// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/pipelines"
	"github.com/xp2p/xp2p/session"
)

// inputs gives the streams of a pipeline's sources. All that are cameras share one
// module, made when the first is wanted.
type inputs struct {
	cmd *cobra.Command
	log *slog.Logger

	mu       sync.Mutex
	module   *session.Module
	services map[string]*session.Service
}

// source is what source=SPEC means.
func (in *inputs) source(spec string) (pipelines.Source, error) {
	switch {
	case spec == "":
		return pipelines.Source{Element: "xp2psrc"}, nil
	case spec == "-":
		return pipelines.Source{Name: "-", Element: "fdsrc fd=0"}, nil
	case strings.HasPrefix(spec, "file:"):
		path := strings.TrimPrefix(spec, "file:")
		if _, err := os.Stat(path); err != nil {
			return pipelines.Source{}, err
		}
		return pipelines.Source{Name: path, Open: openFile(path)}, nil
	case strings.HasPrefix(spec, "http://"), strings.HasPrefix(spec, "https://"):
		return pipelines.Source{Name: "http-flv", Open: func(ctx context.Context) (io.ReadCloser, error) { return openURL(ctx, spec) }}, nil
	case strings.HasPrefix(spec, "XP2P"):
		return pipelines.Source{}, errors.New("an xp2pInfo in a command is there for all users of the machine to read: " +
			"put it into a file and give its name, or into XP2P_INFO and give no source")
	}
	info, err := os.ReadFile(spec)
	if err != nil {
		return pipelines.Source{}, fmt.Errorf("source %q is neither file:PATH, a URL, - nor a file that holds an xp2pInfo: %w", spec, err)
	}
	return pipelines.Source{Name: spec, Open: func(ctx context.Context) (io.ReadCloser, error) {
		return in.camera(ctx, spec, strings.TrimSpace(string(info)))
	}}, nil
}

// camera starts the live stream of the camera whose xp2pInfo the file has.
func (in *inputs) camera(ctx context.Context, file, info string) (io.ReadCloser, error) {
	s, err := in.service(ctx, file, info)
	if err != nil {
		return nil, coded(err)
	}
	st, err := s.StartStream(ctx, session.StreamRequest{Params: "action=live&channel=0&quality=high"})
	if err != nil {
		return nil, coded(err)
	}
	return st, nil
}

func (in *inputs) service(ctx context.Context, file, info string) (*session.Service, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if s := in.services[file]; s != nil {
		return s, nil
	}
	if in.module == nil {
		acct, err := readAccount(in.cmd)
		if err != nil {
			return nil, err
		}
		m, err := session.Init(ctx, session.Config{App: acct.app, Rendezvous: acct.rendezvous, Logger: in.log})
		if err != nil {
			return nil, err
		}
		in.module, in.services = m, map[string]*session.Service{}
	}
	s, err := in.module.StartService(ctx, file, session.StreamInfo{XP2PInfo: info})
	if err != nil {
		return nil, err
	}
	in.services[file] = s
	return s, nil
}

func (in *inputs) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.module != nil {
		in.module.Close()
	}
}

// coded gives an error of the session's its code in the form that packages without a
// session read.
func coded(err error) error {
	if code, ok := session.CodeOf(err); ok && err != nil {
		return &codedError{err, code}
	}
	return err
}

// openURL starts an http-flv stream; ctx bounds the call alone.
func openURL(ctx context.Context, url string) (io.ReadCloser, error) {
	run, cancel := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, cancel)
	req, err := http.NewRequestWithContext(run, http.MethodGet, url, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if !stop() && err == nil {
		res.Body.Close()
		err = context.Cause(ctx)
	}
	if err == nil && res.StatusCode != http.StatusOK {
		res.Body.Close()
		err = fmt.Errorf("the server answered %s", res.Status)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return &urlStream{res.Body, cancel}, nil
}

type urlStream struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (s *urlStream) Close() error {
	s.cancel()
	return s.ReadCloser.Close()
}
