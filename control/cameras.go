// SPDX-License-Identifier: LGPL-2.1-or-later

package control

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/handler"
	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/session"
)

// Changer is what adds, changes and removes cameras of a running service.
type Changer interface {
	AddCamera(nvr.CameraConfig) error
	SetCamera(nvr.CameraConfig) error
	RemoveCamera(name string) error
}

// Requests is what starts and stops recordings.
type Requests interface {
	StartRecording(camera string, d time.Duration) error
	StopRecording(camera string) error
	Trigger(camera, kind string, d time.Duration) error
	BeginEvent(camera, kind string) error
	EndEvent(camera, kind string) error
}

func (s *Server) addCameraMethods(m handler.Map) {
	m["camera.add"] = s.cameraChange(s.cfg.Cameras.AddCamera)
	m["camera.set"] = s.cameraChange(s.cfg.Cameras.SetCamera)
	m["camera.remove"] = method(s.cameraRemove)
	m["record.start"] = method(s.recordStart)
	m["record.stop"] = method(s.recordStop)
	m["event.trigger"] = method(s.eventTrigger)
	m["event.begin"] = method(s.eventBegin)
	m["event.end"] = method(s.eventEnd)
}

// cameraChange takes a camera as the configuration has it, in JSON.
func (s *Server) cameraChange(f func(nvr.CameraConfig) error) handler.Func {
	return func(ctx context.Context, req *jrpc2.Request) (any, error) {
		var raw json.RawMessage
		if req.HasParams() {
			if err := req.UnmarshalParams(&raw); err != nil {
				return nil, rpcError(req.Method(), err)
			}
		}
		cfg, err := nvr.ParseCamera(raw, s.cfg.Dir)
		if err == nil {
			err = f(cfg)
		} else {
			err = &session.Error{Op: req.Method(), Code: session.BadArgument, Err: err}
		}
		if err != nil {
			return nil, rpcError(req.Method(), err)
		}
		status, err := s.cfg.Cameras.Camera(cfg.Name)
		if err != nil {
			return nil, rpcError(req.Method(), err)
		}
		return status, nil
	}
}

// done is the result of a method that has nothing to say.
type done struct {
	Done bool `json:"done"`
}

func (s *Server) cameraRemove(_ context.Context, p cameraParams) (done, error) {
	return done{true}, s.cfg.Cameras.RemoveCamera(p.Camera)
}

type forParams struct {
	Camera string  `json:"camera"`
	For    float64 `json:"for"` // s
}

// seconds is a time that JSON gives as a number of seconds.
func seconds(op string, s float64) (time.Duration, error) {
	if s < 0 || s > math.MaxInt32 || math.IsNaN(s) {
		return 0, &session.Error{Op: op, Code: session.BadArgument, Err: errors.New("for is a number of seconds")}
	}
	return time.Duration(s * float64(time.Second)), nil
}

func (s *Server) recordStart(_ context.Context, p forParams) (nvr.CameraStatus, error) {
	d, err := seconds("record.start", p.For)
	if err == nil {
		err = s.cfg.Cameras.StartRecording(p.Camera, d)
	}
	if err != nil {
		return nvr.CameraStatus{}, err
	}
	return s.cfg.Cameras.Camera(p.Camera)
}

func (s *Server) recordStop(_ context.Context, p cameraParams) (nvr.CameraStatus, error) {
	if err := s.cfg.Cameras.StopRecording(p.Camera); err != nil {
		return nvr.CameraStatus{}, err
	}
	return s.cfg.Cameras.Camera(p.Camera)
}

type eventParams struct {
	Camera string `json:"camera"`
	Kind   string `json:"kind"`
}

type triggerParams struct {
	Camera string  `json:"camera"`
	Kind   string  `json:"kind"`
	For    float64 `json:"for"` // s
}

func (s *Server) eventTrigger(_ context.Context, p triggerParams) (done, error) {
	d, err := seconds("event.trigger", p.For)
	if err == nil {
		err = s.cfg.Cameras.Trigger(p.Camera, p.Kind, d)
	}
	return done{true}, err
}

func (s *Server) eventBegin(_ context.Context, p eventParams) (done, error) {
	return done{true}, s.cfg.Cameras.BeginEvent(p.Camera, p.Kind)
}

func (s *Server) eventEnd(_ context.Context, p eventParams) (done, error) {
	return done{true}, s.cfg.Cameras.EndEvent(p.Camera, p.Kind)
}
