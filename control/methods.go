// SPDX-License-Identifier: LGPL-2.1-or-later

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/handler"
	"github.com/xp2p/xp2p/internal/version"
	"github.com/xp2p/xp2p/nvr/hooks"
	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

// maxCommand bounds a camera command: up to 16 KiB is sensible (reference/xp2p.md §2).
const maxCommand = 16 << 10

// methods are the handlers of one connection.
func (s *Server) methods(c *conn) handler.Map {
	m := handler.Map{
		"system.info":      method(s.systemInfo),
		"camera.list":      method(s.cameraList),
		"camera.status":    method(s.cameraStatus),
		"command.send":     method(s.commandSend),
		"record.status":    method(s.recordStatus),
		"record.list":      method(s.recordList),
		"record.export":    method(s.recordExport),
		"events.subscribe": method(c.subscribe),
	}
	s.addCameraMethods(m)
	s.addRecordMethods(m)
	m["talk.play"] = method(s.talkPlay)
	if s.cfg.Hooks != nil {
		m["hook.list"] = method(func(context.Context, none) ([]hooks.Status, error) { return s.cfg.Hooks(), nil })
	}
	if s.cfg.Reload != nil {
		m["config.reload"] = method(s.configReload)
	}
	if s.cfg.Pipelines != nil {
		s.addPipelineMethods(m)
	}
	return m
}

// assigner finds the handler of a method. One that is unknown gets a handler too:
// jrpc2 v1.3.6 never frees the id of a request for which there was none
// (docs/design/0007).
type assigner handler.Map

func (a assigner) Assign(_ context.Context, name string) jrpc2.Handler {
	if h := a[name]; h != nil {
		return h
	}
	return func(context.Context, *jrpc2.Request) (any, error) {
		return nil, jrpc2.Errorf(jrpc2.MethodNotFound, "there is no method %q; system.info lists those that there are", name).WithData(errorData{session.NotSupported})
	}
}

// method makes a handler of a function with typed parameters. A key that P does
// not have is an error that names it.
func method[P, R any](f func(context.Context, P) (R, error)) handler.Func {
	return func(ctx context.Context, req *jrpc2.Request) (any, error) {
		var p P
		if req.HasParams() {
			if err := req.UnmarshalParams(jrpc2.StrictFields(&p)); err != nil {
				return nil, jrpc2.Errorf(jrpc2.InvalidParams, "%s: %s", req.Method(), paramsError(err)).WithData(errorData{session.BadArgument})
			}
		}
		r, err := f(ctx, p)
		if err != nil {
			return nil, rpcError(req.Method(), err)
		}
		return r, nil
	}
}

// paramsError says what is wrong with parameters: jrpc2 keeps it in the error's data.
func paramsError(err error) string {
	var e *jrpc2.Error
	var why string
	if errors.As(err, &e) && json.Unmarshal(e.Data, &why) == nil && why != "" {
		return strings.TrimPrefix(why, "json: ")
	}
	return err.Error()
}

// errorData is error.data.
type errorData struct {
	Code session.Code `json:"code"`
}

// rpcError gives err its X-P2P code, where it has one.
func rpcError(method string, err error) error {
	var already *jrpc2.Error
	if errors.As(err, &already) {
		return already
	}
	e := jrpc2.Errorf(jrpc2.SystemError, "%s: %v", method, err)
	var coder interface{ XP2PCode() int }
	if code, ok := session.CodeOf(err); ok {
		e = e.WithData(errorData{code})
	} else if errors.As(err, &coder) {
		e = e.WithData(errorData{session.Code(coder.XP2PCode())})
	}
	return e
}

type none struct{}

func (s *Server) systemInfo(context.Context, none) (SystemInfo, error) {
	i := SystemInfo{Version: version.Version, PID: os.Getpid(), Started: s.started, Now: time.Now(), Cameras: len(s.cfg.Cameras.Cameras())}
	for name := range s.methods(nil) {
		i.Methods = append(i.Methods, name)
	}
	sort.Strings(i.Methods)
	return i, nil
}

// cameraEntry is an element of camera.list.
type cameraEntry struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	State  string `json:"state"`
}

func (s *Server) cameraList(context.Context, none) ([]cameraEntry, error) {
	list := []cameraEntry{}
	for _, c := range s.cfg.Cameras.Cameras() {
		list = append(list, cameraEntry{c.Name, c.Source, string(c.State)})
	}
	return list, nil
}

type cameraParams struct {
	Camera string `json:"camera"`
}

// cameraStatus of one camera, or of all as a list.
func (s *Server) cameraStatus(_ context.Context, p cameraParams) (any, error) {
	if p.Camera == "" {
		return s.cfg.Cameras.Cameras(), nil
	}
	return s.cfg.Cameras.Camera(p.Camera)
}

type commandParams struct {
	Camera  string `json:"camera"`
	Command string `json:"command"`
}

func (s *Server) commandSend(ctx context.Context, p commandParams) (session.CommandResult, error) {
	if p.Camera == "" || p.Command == "" || len(p.Command) > maxCommand {
		return session.CommandResult{}, &session.Error{Op: "sendCommand", Code: session.BadArgument,
			Err: fmt.Errorf("needs camera and command (at most %d bytes)", maxCommand)}
	}
	return s.cfg.Cameras.Command(ctx, p.Camera, p.Command)
}

func (s *Server) recordStatus(ctx context.Context, p cameraParams) (RecordStatus, error) {
	var r RecordStatus
	var err error
	if r.Storages, err = s.cfg.Recordings.Status(ctx); err != nil {
		return r, err
	}
	r.Cameras = []CameraRecord{}
	now := time.Now()
	for _, c := range s.cfg.Cameras.Cameras() {
		if p.Camera != "" && p.Camera != c.Name {
			continue
		}
		cr := CameraRecord{Name: c.Name, CameraStats: c.Recorded}
		gaps, err := s.cfg.Recordings.Gaps(ctx, c.Name, now, time.Time{})
		if err != nil {
			return r, err
		}
		for i := range gaps {
			if gaps[i].To.IsZero() {
				cr.Gap = &gaps[i]
			}
		}
		r.Cameras = append(r.Cameras, cr)
	}
	if p.Camera != "" && len(r.Cameras) == 0 {
		_, err := s.cfg.Cameras.Camera(p.Camera)
		return r, err
	}
	return r, nil
}

type listParams struct {
	Camera string  `json:"camera"`
	From   instant `json:"from"`
	To     instant `json:"to"`
}

// maxList bounds record.list; more must be asked for in pieces.
const maxList = 20000

func (s *Server) recordList(ctx context.Context, p listParams) (RecordList, error) {
	r := RecordList{Segments: []ListedSegment{}}
	segments, err := s.cfg.Recordings.List(ctx, p.Camera, p.From.Time, p.To.Time)
	if err != nil {
		return r, err
	}
	if r.Gaps, err = s.cfg.Recordings.Gaps(ctx, p.Camera, p.From.Time, p.To.Time); err != nil {
		return r, err
	}
	if n := len(segments) + len(r.Gaps); n > maxList {
		return r, &session.Error{Op: "record.list", Code: session.BadArgument, Err: fmt.Errorf("%d entries; narrow from, to or camera to at most %d", n, maxList)}
	}
	if r.Gaps == nil {
		r.Gaps = []recorder.Gap{} // [], not null
	}
	for _, seg := range segments {
		r.Segments = append(r.Segments, ListedSegment{seg, seg.Duration.Seconds(), seg.KeyPictures()})
	}
	return r, nil
}

// instant is a time as RFC 3339 text or Unix seconds.
type instant struct{ time.Time }

func (i *instant) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err == nil {
		if seconds < 0 || seconds > 1<<40 {
			return errors.New("time is out of range")
		}
		i.Time = time.UnixMilli(int64(seconds * 1000))
		return nil
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return errors.New("a time is RFC 3339 text or Unix seconds")
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return errors.New("a time is RFC 3339 text or Unix seconds")
	}
	i.Time = t
	return nil
}
