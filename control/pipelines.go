// SPDX-License-Identifier: LGPL-2.1-or-later

package control

import (
	"context"
	"errors"

	"github.com/creachadair/jrpc2/handler"
	"github.com/xp2p/xp2p/pipelines"
	"github.com/xp2p/xp2p/session"
)

func (s *Server) addPipelineMethods(m handler.Map) {
	m["pipeline.list"] = method(s.pipelineList)
	m["pipeline.show"] = method(s.pipelineShow)
	m["pipeline.status"] = method(s.pipelineStatus)
	m["pipeline.start"] = method(s.pipelineStart)
	m["pipeline.stop"] = method(s.pipelineStop)
}

// pipelineEntry is an element of pipeline.list.
type pipelineEntry struct {
	Name    string          `json:"name"`
	Use     string          `json:"use,omitempty"`
	Cameras []string        `json:"cameras,omitempty"`
	Run     string          `json:"run"`
	State   pipelines.State `json:"state"`
}

func (s *Server) pipelineList(context.Context, none) ([]pipelineEntry, error) {
	list := []pipelineEntry{}
	for _, p := range s.cfg.Pipelines.All() {
		list = append(list, pipelineEntry{p.Name, p.Use, p.Cameras, p.Run, p.State})
	}
	return list, nil
}

type pipelineParams struct {
	Pipeline string `json:"pipeline"`
}

// named refuses a call that does not say which pipeline.
func (p pipelineParams) named(op string) error {
	if p.Pipeline == "" {
		return &session.Error{Op: op, Code: session.BadArgument, Err: errors.New("needs pipeline: one of the names of pipeline.list")}
	}
	return nil
}

// pipelineText is the result of pipeline.show.
type pipelineText struct {
	Pipeline string `json:"pipeline"`
	Use      string `json:"use,omitempty"`
	Text     string `json:"text"` // as it was written, parameters and all
}

func (s *Server) pipelineShow(_ context.Context, p pipelineParams) (pipelineText, error) {
	if err := p.named("pipeline.show"); err != nil {
		return pipelineText{}, err
	}
	line, err := s.cfg.Pipelines.Pipeline(p.Pipeline)
	if err != nil {
		return pipelineText{}, err
	}
	return pipelineText{p.Pipeline, line.Name, line.Text}, nil
}

// pipelineStatus of one pipeline, or of all as a list.
func (s *Server) pipelineStatus(_ context.Context, p pipelineParams) (any, error) {
	if p.Pipeline == "" {
		return s.cfg.Pipelines.All(), nil
	}
	return s.cfg.Pipelines.Status(p.Pipeline)
}

// pipelineStart answers when it was begun; whether it plays is in its status and events.
func (s *Server) pipelineStart(_ context.Context, p pipelineParams) (pipelines.Status, error) {
	if err := p.named("pipeline.start"); err != nil {
		return pipelines.Status{}, err
	}
	if err := s.cfg.Pipelines.Start(p.Pipeline); err != nil {
		return pipelines.Status{}, err
	}
	return s.cfg.Pipelines.Status(p.Pipeline)
}

// pipelineStop answers when it has ended.
func (s *Server) pipelineStop(ctx context.Context, p pipelineParams) (pipelines.Status, error) {
	if err := p.named("pipeline.stop"); err != nil {
		return pipelines.Status{}, err
	}
	if err := s.cfg.Pipelines.Stop(ctx, p.Pipeline); err != nil {
		return pipelines.Status{}, err
	}
	return s.cfg.Pipelines.Status(p.Pipeline)
}
