// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/session"
)

// The examples want a camera and are compiled, not run: XP2P_RENDEZVOUS, XP2P_APP and
// XP2P_INFO name one (xp2p demo writes such an env file).
var (
	ctx     = context.Background()
	module  *session.Module
	service *session.Service
)

func ExampleInit() {
	app, err := session.ReadAppParams(os.Getenv("XP2P_APP"))
	if err != nil {
		log.Fatal(err)
	}
	m, err := session.Init(ctx, session.Config{
		App:        app,
		Rendezvous: os.Getenv("XP2P_RENDEZVOUS"),
		Logger:     slog.Default(),
	})
	if err != nil {
		code, _ := session.CodeOf(err)
		log.Fatalf("%v (code %d, worth another try: %v)", err, code, code.Retryable())
	}
	defer m.Close()
	fmt.Println("I am", m.UUID(), "behind a NAT of the kind", m.NAT().Kind)
}

func ExampleConfig_events() {
	cfg := session.Config{
		LogEvents: slog.LevelInfo,
		Events: func(e session.Event) {
			switch d := e.Detail.(type) {
			case session.NAT: // natChanged, of the module
				log.Println("network:", d.Kind, d.Mapped)
			case session.ReconnectDetail:
				log.Printf("%s: attempt %d in %d ms: %s", e.Service, d.Attempt, d.DelayMS, d.Reason)
			case session.DisconnectDetail:
				log.Println(e.Service, e.Subtype, d.Reason, "for good:", d.Final)
			case string: // of kind log
				log.Println(e.Service, e.Subtype, d)
			}
		},
	}
	_ = cfg // for Init
}

func ExampleModule_Reset() {
	// Only where the program knows more than the module, which looks at the machine's
	// addresses by itself.
	if err := module.Reset(ctx); errors.Is(err, &session.Error{Code: session.ProbeFailed}) {
		log.Println("still no network:", err)
	}
}

func ExampleModule_StartService() {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // bounds the call, not the service
	defer cancel()
	s, err := module.StartService(ctx, "front", session.StreamInfo{
		XP2PInfo: os.Getenv("XP2P_INFO"),
		Events:   func(e session.Event) { log.Println(e.Kind, e.Subtype, e.Detail) },
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Println("connected, path", s.Path().Path)
}

func ExampleService_StartStream() {
	st, err := service.StartStream(ctx, session.StreamRequest{Params: "action=live&channel=0&quality=high"})
	if err != nil {
		log.Fatal(err)
	}
	defer st.Close()
	switch _, err := io.Copy(os.Stdout, st); { // FLV
	case err == nil:
		log.Println("the camera ended the stream")
	case errors.Is(err, net.ErrClosed):
		log.Println("we closed it")
	default:
		log.Println("it broke:", err) // the service is joining the camera again: start another
	}
}

func ExampleService_StartStream_playback() {
	st, err := service.StartStream(ctx, session.StreamRequest{Params: "action=playback&channel=0&start_time=1700000000&end_time=1700003600"})
	if err != nil {
		log.Fatal(err)
	}
	defer st.Close()
	log.Println("recordings from", st.Header().Get("X-Xp2p-Start"))
	// Meanwhile, from elsewhere:
	service.SendCommand(ctx, "action=inner_define&cmd=playback_seek&channel=0&time=1700001800")
	io.Copy(os.Stdout, st)
}

func ExampleService_SendCommand() {
	r, err := service.SendCommand(ctx, "action=user_define&cmd=ptz_left")
	switch {
	case err != nil: // r.Type is error or timeout
		log.Println("no answer:", err)
	case r.Type == session.CommandFailure:
		log.Println("the camera said no:", r.ErrMsg)
	default:
		fmt.Println(r.Data)
	}
}

func ExampleService_StartVoice() {
	v, err := service.StartVoice(ctx, session.VoiceRequest{Channel: 0})
	if err != nil {
		log.Fatal(err) // code -2601: somebody else talks
	}
	if f := v.Format(); f.Codec != demux.ALaw {
		v.Abort()
		log.Fatal("the camera takes ", f)
	}
	silence := make([]byte, 160) // 20 ms
	for i := range silence {
		silence[i] = 0xd5
	}
	for i := range 50 { // a second, in real time
		err := v.WriteUnit(&demux.Unit{Kind: demux.Audio, Codec: demux.ALaw, Rate: 8000, Channels: 1,
			DTS: time.Duration(i) * 20 * time.Millisecond, Data: silence})
		if err != nil {
			log.Println(err)
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := v.Close(); err != nil { // waits until it was played
		log.Println(err)
	}
}

func ExampleService_StartDownload() {
	f, err := os.OpenFile("clip.mp4", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		log.Fatal(err)
	}
	d, err := service.StartDownload(ctx, session.DownloadRequest{FileName: "clip.mp4", Offset: st.Size()})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	if _, err := io.Copy(f, d); err != nil {
		log.Printf("%d of %d bytes: %v", d.Offset(), d.Size(), err) // go on from d.Offset()
	}
}

func ExampleService_SetCallbacks() {
	err := service.SetCallbacks(session.Callbacks{
		Events: func(e session.Event) { log.Println(e.Subtype) },
		OnMessage: func(ctx context.Context, m session.Message) (string, error) {
			return `{"result":"0"}`, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
}

func ExampleService_RoundTrip() {
	// Whatever else the camera answers: a Service is an http.RoundTripper.
	client := &http.Client{Transport: service}
	res, err := client.Get("http://camera/command?action=inner_define&cmd=get_nvr_list")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	io.Copy(os.Stdout, res.Body)
}

func ExampleModule_StopService() {
	module.StopService("front") // its stream, voice and downloads with it
	module.Close()              // and everything else
}
