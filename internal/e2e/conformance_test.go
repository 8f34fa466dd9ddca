// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/session"
)

// TestConformance walks the reference, a row for each call, request, command, event
// and code, over the real link between the real programs. The rows use one visit.
func TestConformance(t *testing.T) {
	v := newVisitor(t)
	rows := []struct {
		section, name string
		check         func(*visitor)
	}{
		// §2, calls
		{"call", "init", func(v *visitor) {
			m, err := session.Init(v.ctx, v.config) // a second module in one process
			if err != nil {
				v.Fatal(err)
			}
			if m.NAT().Kind != session.NATNone || len(m.NAT().Mapped) == 0 {
				v.Errorf("the probe found %+v", m.NAT())
			}
			if err := m.Close(); err != nil {
				v.Error(err)
			}
		}},
		{"call", "resetP2P", func(v *visitor) {
			if err := v.m.Reset(v.ctx); err != nil {
				v.Error(err)
			}
			var st []struct{ Status string }
			if v.command(&st, "cmd=get_device_st&type=live"); len(st) != 1 {
				v.Errorf("%+v over the link that was reset", st)
			}
		}},
		{"call", "startP2PService, stopP2PService", func(v *visitor) {
			s, err := v.m.StartService(v.ctx, "other", session.StreamInfo{URL: "http://" + v.cam.info + ".xnet/ipc.p2p.com/ipc.flv?action=live&channel=1"})
			if err != nil {
				v.Fatal(err)
			}
			st, err := s.StartStream(v.ctx, session.StreamRequest{}) // what the URL says
			if err != nil {
				v.Fatal(err)
			}
			if units := v.take(st, time.Second); count(units, demux.Video) == 0 || units[len(units)-1].Codec == demux.H264 {
				v.Error("it is not channel 1")
			}
			v.m.StopService("other")
			if _, err := v.m.Service("other"); err == nil {
				v.Error("it is still there")
			}
		}},
		{"call", "startP2PStream, stopP2PStream", func(v *visitor) {
			st, err := v.s.StartStream(v.ctx, session.StreamRequest{Params: "action=live&channel=0&quality=high"})
			if err != nil {
				v.Fatal(err)
			}
			b := make([]byte, 3)
			if _, err := io.ReadFull(st, b); err != nil || string(b) != "FLV" {
				v.Errorf("%q %v", b, err)
			}
			v.s.StopStream()
			if _, err := io.Copy(io.Discard, st); err == nil {
				v.Error("reading goes on")
			}
		}},
		{"call", "startVoiceService, stopVoiceService", func(v *visitor) {
			voice, err := v.s.StartVoice(v.ctx, session.VoiceRequest{})
			if err != nil {
				v.Fatal(err)
			}
			if f := voice.Format().String(); f != "alaw;rate=8000;channels=1" {
				v.Errorf("the camera wants %s", f)
			}
			if err := errors.Join(v.talk(voice, 1), voice.Close()); err != nil {
				v.Error(err)
			}
			if n := soundBytes(v.T, v.heard); n != 8000 {
				v.Errorf("the camera heard %d bytes", n)
			}
		}},
		{"call", "sendCommand", func(v *visitor) {
			r, err := v.s.SendCommand(v.ctx, "action=user_define&cmd=ptz_left")
			if err != nil || r != (session.CommandResult{Type: "success", Status: 200, Data: "moved: ptz_left\n"}) {
				v.Errorf("%+v %v", r, err)
			}
		}},
		{"call", "startLocalDownload, stopLocalDownload", func(v *visitor) {
			f := v.files()[0]
			d, err := v.s.StartDownload(v.ctx, session.DownloadRequest{FileName: f.Name})
			if err != nil {
				v.Fatal(err)
			}
			whole, err := io.ReadAll(d)
			if err != nil || int64(len(whole)) != d.Size() {
				v.Fatalf("%d of %d bytes: %v", len(whole), d.Size(), err)
			}
			d.Close()
			d, err = v.s.StartDownload(v.ctx, session.DownloadRequest{FileName: f.Name, Offset: 1000})
			if err != nil {
				v.Fatal(err)
			}
			rest := make([]byte, 1000)
			if _, err := io.ReadFull(d, rest); err != nil || !bytes.Equal(rest, whole[1000:2000]) {
				v.Errorf("from the offset on: %v", err)
			}
			v.s.StopDownloads()
		}},
		{"call", "updateServiceCallbacks", func(v *visitor) {
			events := make(chan session.Event, 100)
			if err := v.s.SetCallbacks(session.Callbacks{Events: func(e session.Event) { events <- e }}); err != nil {
				v.Fatal(err)
			}
			v.pull("action=live&channel=0", 100*time.Millisecond)
			if e := <-events; e.Service != "cam" {
				v.Errorf("%+v", e)
			}
			v.s.SetCallbacks(session.Callbacks{})
		}},
		{"call", "getUUID", func(v *visitor) {
			if len(v.m.UUID()) < 32 {
				v.Errorf("%q", v.m.UUID())
			}
		}},
		// §3, requests
		{"request", "live", func(v *visitor) {
			for _, quality := range []string{"standard", "high", "super"} {
				u := v.pull("action=live&channel=0&quality="+quality, 700*time.Millisecond)
				if count(u, demux.Video) < 10 || count(u, demux.Audio) == 0 {
					v.Errorf("%s: %d units", quality, len(u))
				}
			}
		}},
		{"request", "playback", func(v *visitor) {
			u := v.pull(v.playback("playback", 5), patience) // to its end
			if n := count(u, demux.Video); n < 5*testmedia.FrameRate-2 || n > 6*testmedia.FrameRate+2 || count(u, demux.Audio) == 0 {
				v.Errorf("%d pictures of 5 s", n)
			}
		}},
		{"request", "download", func(v *visitor) {
			f := v.files()[0]
			st, err := v.s.StartStream(v.ctx, session.StreamRequest{Params: "action=download&channel=0&offset=4&file_name=" + url.QueryEscape(f.Name)})
			if err != nil {
				v.Fatal(err)
			}
			b := make([]byte, 4)
			if _, err := io.ReadFull(st, b); err != nil || string(b) != "ftyp" {
				v.Errorf("%q %v", b, err)
			}
			st.Close()
		}},
		{"request", "live-audio", func(v *visitor) {
			if u := v.pull("action=live-audio&channel=0", time.Second); count(u, demux.Video) > 0 || count(u, demux.Audio) == 0 {
				v.Errorf("%d pictures, %d sounds", count(u, demux.Video), count(u, demux.Audio))
			}
		}},
		{"request", "playback-audio", func(v *visitor) {
			if u := v.pull(v.playback("playback-audio", 5), 2*time.Second); count(u, demux.Video) > 0 || count(u, demux.Audio) == 0 {
				v.Errorf("%d pictures, %d sounds", count(u, demux.Video), count(u, demux.Audio))
			}
		}},
		{"request", "live-mjpg, playback-mjpg", func(v *visitor) {
			for _, params := range []string{"action=live-mjpg&channel=0", v.playback("playback-mjpg", 5)} {
				_, err := v.s.StartStream(v.ctx, session.StreamRequest{Params: params})
				v.code(session.NotSupported, err)
			}
		}},
		{"request", "command by GET", func(v *visitor) {
			if status, body := v.get("/command?action=inner_define&channel=0&cmd=get_device_st&type=live"); status != 200 || !strings.Contains(body, `"status":"0"`) {
				v.Errorf("%d %s", status, body)
			}
		}},
		{"request", "_crypto, _protocol, requester, user_args, unknown parameters", func(v *visitor) {
			u := v.pull("action=live&channel=0&_crypto=off&_protocol=udp&requester=me&user_args=a%3Db&never_heard_of=1", 300*time.Millisecond)
			if count(u, demux.Video) == 0 {
				v.Error("no pictures")
			}
			for _, long := range []string{"requester=" + strings.Repeat("r", 65), "user_args=" + strings.Repeat("u", 1025)} {
				_, err := v.s.StartStream(v.ctx, session.StreamRequest{Params: "action=live&channel=0&" + long})
				v.code(session.StreamFailed, err)
			}
		}},
		// §4, commands
		{"command", "get_device_st", func(v *visitor) {
			for _, kind := range []string{"live", "playback", "voice"} {
				var st []struct{ Status, AppConnectNum string }
				if v.command(&st, "cmd=get_device_st&type="+kind); len(st) != 1 || st[0].Status != "0" || st[0].AppConnectNum != "0" {
					v.Errorf("%s: %+v", kind, st)
				}
			}
			var st []struct{ Status string }
			if v.command(&st, "cmd=get_device_st&type=dance"); len(st) != 1 || st[0].Status != "404" {
				v.Errorf("%+v", st)
			}
		}},
		{"command", "get_nvr_list", func(v *visitor) {
			var l []struct{ DeviceName, Channel, Online string }
			v.command(&l, "cmd=get_nvr_list")
			if fmt.Sprint(l) != "[{front 0 1} {back 1 1}]" {
				v.Errorf("%v", l)
			}
		}},
		{"command", "get_record_index", func(v *visitor) {
			r, err := v.s.SendCommand(v.ctx, "action=inner_define&channel=0&cmd=get_record_index&start_time=0&end_time=9999999999&type=0")
			if err != nil || !strings.HasPrefix(r.Data, `{"video_list":[{"type":0,"start_time":"`) {
				v.Errorf("%+v %v", r, err)
			}
		}},
		{"command", "get_month_record", func(v *visitor) {
			var m struct {
				List string `json:"video_list"`
			}
			day := time.Unix(v.start, 0)
			v.command(&m, "cmd=get_month_record&time="+day.Format("200601"))
			bits, err := strconv.ParseUint(m.List, 10, 32)
			if err != nil || bits&(1<<(day.Day()-1)) == 0 {
				v.Errorf("%q for %v", m.List, day)
			}
			v.command(&m, "cmd=get_month_record&time=200001")
			if m.List != "0" {
				v.Errorf("%q in the year 2000", m.List)
			}
		}},
		{"command", "get_file_list", func(v *visitor) {
			f := v.files()[0]
			from, err1 := strconv.ParseInt(f.From, 10, 64)
			to, err2 := strconv.ParseInt(f.To, 10, 64)
			size, err3 := strconv.ParseInt(f.Size, 10, 64)
			if err := errors.Join(err1, err2, err3); err != nil || f.Type != "0" || from > v.start || to < from || size < 1000 {
				v.Errorf("%+v %v", f, err)
			}
		}},
		{"command", "playback_pause, playback_resume, playback_seek, playback_speed, playback_ff", func(v *visitor) {
			r, err := v.s.SendCommand(v.ctx, "action=inner_define&channel=0&cmd=playback_pause")
			if err != nil || r.Type != session.CommandFailure || r.Status != 404 || !strings.Contains(r.Data, `"status":"404"`) {
				v.Errorf("without a playback: %+v %v", r, err)
			}
			st, err := v.s.StartStream(v.ctx, session.StreamRequest{Params: v.playback("playback", recorded-2)})
			if err != nil {
				v.Fatal(err)
			}
			units := make(chan []demux.Unit)
			go func() { units <- v.take(st, patience) }()
			for _, c := range []string{"playback_pause", "playback_resume", fmt.Sprintf("playback_seek&time=%d", v.start+5),
				"playback_seek&progress=1000", "playback_ff&speed=4", "playback_speed&speed=16"} {
				v.done("cmd=" + c)
			}
			if u := <-units; count(u, demux.Video) == 0 {
				v.Error("no pictures")
			}
		}},
		{"command", "user_define", func(v *visitor) {
			for _, ptz := range []string{"ptz_left", "ptz_right", "ptz_up", "ptz_down"} {
				if r, err := v.s.SendCommand(v.ctx, "action=user_define&cmd="+ptz); err != nil || r.Data != "moved: "+ptz+"\n" {
					v.Errorf("%+v %v", r, err)
				}
			}
			for _, topic := range []string{"get_status", "set_status", "version", "upgrade", "Mirror_flip", "ptz", "sd_format", "bind_status", "intercom"} {
				r, err := v.s.SendCommand(v.ctx, `action=user_define&channel=0&cmd={"topic":"`+topic+`","data":{},"message_id":"m7"}`)
				if err != nil || strings.TrimSpace(r.Data) != `{"confirmation_topic":"`+topic+`","message_id":"m7","result":0}` {
					v.Errorf("%+v %v", r, err)
				}
			}
		}},
		{"command", "result types", func(v *visitor) {
			for _, c := range []struct{ command, kind string }{
				{"action=user_define&cmd=ptz_up", session.CommandSuccess},
				{"action=user_define&cmd=dance", session.CommandFailure},
				{"action=inner_define&cmd=dance", session.CommandFailure},
				{"", session.CommandError},
				{"action=user_define&cmd=\xff\xfe", session.CommandError},
				{"action=user_define&cmd=" + strings.Repeat("x", 16<<20), session.CommandError},
				{"action=user_define&cmd=sleep", session.CommandTimeout},
				{"action=user_define&cmd=ptz_" + strings.Repeat("x", 16<<10), session.CommandSuccess},
			} {
				if r, _ := v.s.SendCommand(v.ctx, c.command); r.Type != c.kind {
					v.Errorf("%.40q: %s, want %s (%.200s)", c.command, r.Type, c.kind, r.ErrMsg)
				}
			}
		}},
		// What is asked wrongly
		{"refused", "playback", func(v *visitor) {
			for _, times := range []string{"start_time=100&end_time=90", fmt.Sprintf("start_time=%d&end_time=%d", v.start, v.start+4), "start_time=x&end_time=y", "start_time=1000&end_time=2000"} {
				_, err := v.s.StartStream(v.ctx, session.StreamRequest{Params: "action=playback&channel=0&" + times})
				v.code(session.StreamFailed, err)
			}
		}},
		{"refused", "download", func(v *visitor) {
			name := v.files()[0].Name
			for _, r := range []session.DownloadRequest{{FileName: "../../etc/passwd"}, {FileName: "none.mp4"}, {FileName: name, Offset: 1 << 40}} {
				_, err := v.s.StartDownload(v.ctx, r)
				v.code(session.DownloadFailed, err)
			}
			st := v.pull("action=live&channel=0", 200*time.Millisecond)
			if count(st, demux.Video) == 0 {
				v.Error("the service is of no use behind it")
			}
		}},
		// Codes; -2001, -2202 and -2402 are in TestPullFails too, by the program's exit status.
		{"code", "-2000", func(v *visitor) {
			_, err := v.m.StartService(v.ctx, "", session.StreamInfo{XP2PInfo: v.cam.info})
			v.code(session.BadArgument, err)
		}},
		{"code", "-2001", func(v *visitor) {
			_, err := v.m.StartService(v.ctx, "x", session.StreamInfo{XP2PInfo: "XP2PAAAA==%2.4.46"})
			v.code(session.BadXP2PInfo, err)
		}},
		{"code", "-2004", func(v *visitor) {
			_, err := v.s.StartStream(v.ctx, session.StreamRequest{Params: "action=live-mjpg&channel=0"})
			v.code(session.NotSupported, err)
		}},
		{"code", "-2005", func(v *visitor) {
			_, err := v.m.StartService(v.ctx, "x", session.StreamInfo{XP2PInfo: v.cam.info, MinVersion: "99.0"})
			v.code(session.DeviceVersionTooLow, err)
		}},
		{"code", "-2201", func(v *visitor) {
			c := v.config
			c.Port = 40000 + uint16(v.start%20000)
			m, err := session.Init(v.ctx, c)
			if err != nil {
				v.Fatal(err)
			}
			defer m.Close()
			_, err = session.Init(v.ctx, c)
			v.code(session.TransportStarted, err)
		}},
		{"code", "-2202", func(v *visitor) {
			c := v.config
			c.Rendezvous = "nats://127.0.0.1:1"
			_, err := session.Init(v.ctx, c)
			v.code(session.ProbeFailed, err)
		}},
		{"code", "-2401", func(v *visitor) {
			_, err := v.m.StartService(v.ctx, "cam", session.StreamInfo{XP2PInfo: v.cam.info})
			v.code(session.AlreadyStarted, err)
			st, err := v.s.StartStream(v.ctx, session.StreamRequest{})
			if err != nil {
				v.Fatal(err)
			}
			defer st.Close()
			_, err = v.s.StartStream(v.ctx, session.StreamRequest{})
			v.code(session.AlreadyStarted, err)
		}},
		{"code", "-2402", func(v *visitor) {
			_, err := v.s.StartStream(v.ctx, session.StreamRequest{Params: "action=live&channel=9"})
			v.code(session.StreamFailed, err)
		}},
		{"code", "-2403", func(v *visitor) {
			_, err := v.m.Service("nobody")
			v.code(session.NoService, err)
		}},
		{"code", "-2404", func(v *visitor) {
			_, err := v.m.StartService(v.ctx, "many", session.StreamInfo{URL: "rtmp://example.invalid/live/stream"})
			v.code(session.NotInEnvironment, err)
		}},
		{"code", "-2601", func(v *visitor) {
			voice, err := v.s.StartVoice(v.ctx, session.VoiceRequest{})
			if err != nil {
				v.Fatal(err)
			}
			defer voice.Abort()
			s, err := v.m.StartService(v.ctx, "second", session.StreamInfo{XP2PInfo: v.cam.info})
			if err != nil {
				v.Fatal(err)
			}
			defer s.Close()
			_, err = s.StartVoice(v.ctx, session.VoiceRequest{})
			v.code(session.VoiceFailed, err)
		}},
		{"code", "-2701", func(v *visitor) {
			_, err := v.s.StartDownload(v.ctx, session.DownloadRequest{FileName: "none.mp4"})
			v.code(session.DownloadFailed, err)
		}},
		// §2, events; those of the rows before count
		{"event", "connected", func(v *visitor) { v.saw(session.Notify, session.Connected) }},
		{"event", "request", func(v *visitor) { v.saw(session.Notify, session.Request) }},
		{"event", "parsed", func(v *visitor) { v.saw(session.Notify, session.Parsed) }},
		{"event", "close", func(v *visitor) { v.saw(session.Notify, session.Closed) }},
		{"event", "eof", func(v *visitor) { v.saw(session.Notify, session.EOF) }},
		{"event", "log", func(v *visitor) { v.saw(session.Log, session.LogDebug) }},
		{"event", "natChanged", func(v *visitor) { // by the first probe of the second module, above; its service is empty
			v.saw(session.Notify, session.NATChanged)
		}},
		{"event", "disconnect, and what follows", func(v *visitor) {
			v.cam.kill()
			v.saw(session.Notify, session.Disconnect)
			v.saw(session.Notify, session.Reconnecting)
			v.mu.Lock()
			v.events = nil
			v.mu.Unlock()
			v.cam.launch()
			v.cam.online()
			v.saw(session.Notify, session.Connected) // by itself
			if u := v.pull("action=live&channel=0", time.Second); count(u, demux.Video) == 0 {
				v.Error("no pictures from the camera that came back")
			}
		}},
		{"event", "natError", func(v *visitor) {
			v.w.server.kill()
			ctx, cancel := context.WithTimeout(v.ctx, 5*time.Second)
			defer cancel()
			v.code(session.ProbeFailed, v.m.Reset(ctx))
			v.saw(session.Notify, session.NATError)
			v.w.serve()
		}},
		{"call", "destroy", func(v *visitor) {
			if err := v.m.Close(); err != nil {
				v.Error(err)
			}
			_, err := v.m.StartService(v.ctx, "late", session.StreamInfo{XP2PInfo: v.cam.info})
			v.code(session.NotInitialised, err) // code -2002
			_, err = v.s.StartStream(v.ctx, session.StreamRequest{})
			v.code(session.NoService, err)
		}},
	}
	for _, row := range rows {
		t.Run(row.section+" "+row.name, func(t *testing.T) { v.on(t, row.check) })
	}
}
