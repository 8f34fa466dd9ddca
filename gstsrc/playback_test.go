// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/session"
)

const (
	recordedAt      = 1_700_000_000 // Unix seconds
	recordedSeconds = 20
	playbackURI     = "xp2p://T/cam?action=playback&channel=0&start_time=1700000000&end_time=1700000020"
)

// recording is a camera with a recording of 20 s, which it plays by
// docs/design/0005, without pacing.
func recording(t *testing.T) *camera {
	t.Helper()
	file, err := os.ReadFile(testmedia.FLV(t, testmedia.H264, recordedSeconds, testmedia.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	c := &camera{}
	c.stream = func(context.Context, int) (io.ReadCloser, error) {
		q, err := url.ParseQuery(c.asked()[len(c.asked())-1])
		if err != nil {
			return nil, err
		}
		from, err := strconv.ParseInt(q.Get("start_time"), 10, 64)
		if err != nil {
			return nil, err
		}
		return play(playFrom(t, file, time.Duration(from-recordedAt)*time.Second), io.EOF), nil
	}
	return c
}

// playFrom is the stream of a recording from the key picture at or before a time on.
func playFrom(t *testing.T, file []byte, from time.Duration) []byte {
	t.Helper()
	var tag flv.Tag
	var u demux.Unit
	var configuration, out []byte
	var key time.Duration
	for r := flv.NewReader(bytes.NewReader(file), flv.Options{}); ; {
		err := r.Next(&tag, &u)
		switch {
		case err == io.EOF:
			return out
		case err != nil:
			t.Fatal(err)
		case tag.Type != flv.TagVideo || u.EndOfSequence:
			continue
		case u.Config:
			configuration = slices.Clone(tag.Payload)
			continue
		case u.Key && u.DTS <= from:
			key = u.DTS
			wall := time.Unix(recordedAt, 0).Add(key)
			out = flv.AppendTag(flv.AppendHeader(nil, true, false), flv.TagScript, 0, flv.AppendPosition(nil, flv.Position{Time: wall, Speed: 1}))
			out = flv.AppendTag(out, flv.TagVideo, 0, configuration)
		}
		out = flv.AppendTag(out, flv.TagVideo, uint32((u.DTS - key).Milliseconds()), tag.Payload)
	}
}

func (p *pipeline) preroll() {
	p.t.Helper()
	p.set(gst.StatePaused)
	p.settle()
}

// settle waits until a change of state or a seek is done.
func (p *pipeline) settle() {
	p.t.Helper()
	if r, s := p.GetState(gst.StatePaused, gst.ClockTime(patience)); r != gst.StateChangeSuccess {
		p.t.Fatalf("state change: %v, state %v", r, s)
	}
}

func (p *pipeline) position() time.Duration {
	p.t.Helper()
	ok, at := p.QueryPosition(gst.FormatTime)
	if !ok {
		p.t.Fatal("no position")
	}
	return time.Duration(at)
}

func TestPlayback(t *testing.T) {
	for _, demuxer := range []string{"xp2pdemux", "flvdemux"} {
		t.Run(demuxer, func(t *testing.T) {
			c := recording(t)
			c.use(t)
			p := launch(t, "xp2psrc name=src location=%s ! %s ! h264parse ! avdec_h264 ! fakesink sync=true name=sink", playbackURI, demuxer)
			p.preroll()
			if ok, d := p.QueryDuration(gst.FormatTime); !ok || time.Duration(d) != recordedSeconds*time.Second {
				t.Errorf("duration %v, %v", ok, time.Duration(d))
			}
			if at := p.position(); at != 0 {
				t.Errorf("it begins at %v", at)
			}
			for _, to := range []time.Duration{11500 * time.Millisecond, 3 * time.Second, 19 * time.Second, 0} {
				if !p.SeekSimple(int64(to), gst.FormatTime, gst.SeekFlagFlush|gst.SeekFlagAccurate) {
					t.Fatalf("no seek to %v", to)
				}
				p.settle()
				if at := p.position(); at < to || at > to+40*time.Millisecond {
					t.Errorf("a seek to %v is at %v", to, at)
				}
			}
			wall := time.Unix(recordedAt+15, 0)
			if !p.SeekSimple(wall.UnixNano(), gst.FormatTime, gst.SeekFlagFlush|gst.SeekFlagKeyUnit) {
				t.Fatal("no seek to a time of day")
			}
			p.settle()
			if at := p.position(); at < 15*time.Second || at > 15040*time.Millisecond {
				t.Errorf("a seek to a time of day is at %v", at)
			}
			if !p.SeekSimple(int64(19*time.Second), gst.FormatTime, gst.SeekFlagFlush) {
				t.Fatal("no seek near the end")
			}
			p.settle()
			p.set(gst.StatePlaying)
			p.end()
		})
	}
}

// Every picture is decoded, once, and seeks do not disturb that.
func TestPlaybackIsWhole(t *testing.T) {
	recording(t).use(t)
	out := filepath.Join(t.TempDir(), "out.yuv")
	p := launch(t, "xp2psrc name=src location=%s ! xp2pdemux ! h264parse ! avdec_h264 ! video/x-raw,format=I420 ! filesink location=%s", playbackURI, out)
	p.set(gst.StatePlaying)
	p.end()
	p.set(gst.StateNull)
	if n := len(pictures(t, out)); n != testmedia.Frames(recordedSeconds) {
		t.Errorf("%d pictures, want %d", n, testmedia.Frames(recordedSeconds))
	}
}

func TestPlaybackPauseSpeedAndPositions(t *testing.T) {
	c := recording(t)
	c.use(t)
	p := launch(t, "xp2psrc name=src location=%s ! xp2pdemux ! h264parse ! fakesink sync=true", playbackURI)
	p.preroll()
	p.set(gst.StatePlaying)
	p.set(gst.StatePaused)
	p.settle()
	await(t, "the camera to be paused", func() bool { return len(c.told()) == 1 })
	p.set(gst.StatePlaying)
	seek := gst.NewSeekEvent(2, gst.FormatTime, gst.SeekFlagFlush, gst.SeekTypeSet, int64(10*time.Second), gst.SeekTypeNone, 0)
	if !p.SendEvent(seek) {
		t.Fatal("no seek at double speed")
	}
	await(t, "the camera to be told", func() bool { return len(c.told()) == 3 })
	want := []string{"playback_pause&channel=0", "playback_resume&channel=0", "playback_speed&channel=0&speed=2"}
	for i, w := range want {
		if got := c.told()[i]; got != "action=inner_define&cmd="+w {
			t.Errorf("command %d is %s, want %s", i, got, w)
		}
	}
	if p.SendEvent(gst.NewSeekEvent(-1, gst.FormatTime, gst.SeekFlagFlush, gst.SeekTypeSet, 0, gst.SeekTypeSet, int64(10*time.Second))) {
		t.Error("it plays backwards")
	}
	var times []float64
	for len(times) < 2 {
		m := p.wait(gst.MessageElement | gst.MessageError)
		if m.Type() == gst.MessageError {
			t.Fatal(m.ParseError())
		}
		if v := m.GetStructure().Values(); v["subtype"] == Position {
			at, err := strconv.ParseFloat(fmt.Sprint(v["time"]), 64)
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, at-recordedAt)
		}
	}
	if !slices.Equal(times, []float64{0, 10}) {
		t.Errorf("positions %v", times)
	}
}

func await(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
	}
}

func (c *camera) told() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.commands)
}

func TestBadPlaybacks(t *testing.T) {
	(&camera{}).use(t)
	for params, want := range map[string]string{
		"action=playback": "start_time",
		"action=playback&start_time=10&end_time=12": "at least 5s",
		"action=download": "file_name",
	} {
		p := launch(t, "xp2psrc name=src params=%s ! fakesink", params)
		if err := p.SetState(gst.StatePlaying); err == nil {
			t.Errorf("%s: the state change succeeded", params)
		}
		if e := p.wait(gst.MessageError).ParseError(); !strings.Contains(e.Error(), want) || !strings.Contains(e.Error(), "(code -2000)") {
			t.Errorf("%s: %s", params, e.Error())
		}
		p.set(gst.StateNull)
	}
}

// sizedFile is a download.
type sizedFile struct {
	*playback
	size int64
}

func (f sizedFile) Size() int64 { return f.size }

// A download is the file, and a demuxer may seek in it.
func TestDownload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "in.mp4")
	flv := testmedia.FLV(t, testmedia.H264, 4, testmedia.Options{})
	if out, ok := run(t, os.Environ(), "gst-launch-1.0", "filesrc", "location="+flv, "!", "flvdemux", "!", "h264parse", "!", "mp4mux", "!", "filesink", "location="+file); !ok {
		t.Fatal(out)
	}
	in, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := &camera{}
	c.stream = func(context.Context, int) (io.ReadCloser, error) {
		q, err := url.ParseQuery(c.asked()[len(c.asked())-1])
		if err != nil {
			return nil, err
		}
		offset, err := strconv.Atoi(q.Get("offset"))
		if err != nil {
			return nil, err
		}
		return sizedFile{play(slices.Clone(in[offset:]), io.EOF), int64(len(in))}, nil
	}
	c.use(t)
	const uri = "xp2p://T/cam?action=download&file_name=a.mp4"
	out := filepath.Join(t.TempDir(), "out.mp4")
	p := launch(t, "xp2psrc name=src location=%s ! filesink location=%s", uri, out)
	p.set(gst.StatePlaying)
	p.end()
	p.set(gst.StateNull)
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, in) {
		t.Errorf("%d bytes of %d", len(got), len(in))
	}

	// mp4mux puts the index behind the media, so qtdemux must seek for it.
	yuv := filepath.Join(t.TempDir(), "out.yuv")
	p = launch(t, "xp2psrc name=src location=%s ! qtdemux ! h264parse ! avdec_h264 ! video/x-raw,format=I420 ! filesink location=%s", uri, yuv)
	p.set(gst.StatePlaying)
	p.end()
	p.set(gst.StateNull)
	if n := len(pictures(t, yuv)); n != testmedia.Frames(4) {
		t.Errorf("%d pictures, want %d", n, testmedia.Frames(4))
	}
}

func TestHTTP(t *testing.T) {
	in := media(t, testmedia.H264AAC)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(in) }))
	defer srv.Close()
	out := filepath.Join(t.TempDir(), "out.flv")
	p := launch(t, "xp2psrc name=src location=xp2p+%s/live.flv ! filesink location=%s", srv.URL, out)
	p.set(gst.StatePlaying)
	p.end()
	p.set(gst.StateNull)
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if w, g := units(t, in), units(t, got); !slices.Equal(w, g) {
		t.Errorf("%d units came out of %d", len(g), len(w))
	}
}

func TestCommands(t *testing.T) {
	c := &camera{stream: once(media(t, testmedia.H264), nil)}
	c.answer = func(_ context.Context, command string) (session.CommandResult, error) {
		return session.CommandResult{Type: session.CommandSuccess, Status: 200, Data: "reply to " + command}, nil
	}
	c.use(t)
	p := launch(t, "xp2psrc name=src ! fakesink")
	type reply struct {
		id     uint
		fields map[string]any
	}
	replies := make(chan reply, 10)
	p.src.Connect("command-reply", func(_ *gst.Element, id uint, s *gst.Structure) { replies <- reply{id, s.Values()} })
	send := func(command string) uint {
		id, err := p.src.Emit("send-command", command)
		if err != nil {
			t.Fatal(err)
		}
		return id.(uint)
	}
	receive := func() reply {
		select {
		case r := <-replies:
			return r
		case <-time.After(patience):
			t.Fatal("no reply")
		}
		return reply{}
	}
	early := send("cmd=early")
	if r := receive(); r.id != early || r.fields["type"] != "error" || r.fields["errcode"] != int(session.NoService) {
		t.Errorf("reply %+v", r)
	}
	p.set(gst.StatePlaying)
	await(t, "bytes", func() bool { n, _ := p.stats("bytes").(uint64); return n > 0 })
	for _, command := range []string{"cmd=a", "cmd=b"} {
		id := send(command)
		if r := receive(); r.id != id || r.fields["type"] != "success" || r.fields["status"] != 200 ||
			r.fields["data"] != "reply to "+command || r.fields["command"] != command {
			t.Errorf("reply %+v to %s, number %d", r, command, id)
		}
	}
	force := gst.NewCustomEvent(gst.EventTypeCustomUpstream, gst.NewStructure("GstForceKeyUnit"))
	if !p.src.GetStaticPad("src").SendEvent(force) {
		t.Error("GstForceKeyUnit is not taken")
	}
	await(t, "a request for a key frame", func() bool {
		return slices.Contains(c.told(), "action=inner_define&cmd=force_key_frame&channel=0")
	})
	for field, want := range map[string]any{"rtt": uint64(20 * time.Millisecond), "packets-sent": uint64(100), "packets-lost": uint64(3)} {
		if v := p.stats(field); v != want {
			t.Errorf("stats: %s is %v, want %v", field, v, want)
		}
	}
	if b, _ := p.stats("bitrate").(uint64); b == 0 || b == math.MaxUint64 {
		t.Errorf("bitrate %v", b)
	}
	if _, err := p.src.Emit("reset"); err != nil {
		t.Fatal(err)
	}
	await(t, "a new link", func() bool { return c.dialled() == 2 })
}

// A command that is never answered holds nobody up.
func TestCommandWithoutReply(t *testing.T) {
	c := &camera{stream: once(media(t, testmedia.H264), nil)}
	c.answer = func(ctx context.Context, _ string) (session.CommandResult, error) {
		<-ctx.Done()
		return session.CommandResult{Type: session.CommandTimeout}, net.ErrClosed
	}
	c.use(t)
	p := launch(t, "xp2psrc name=src ! fakesink")
	p.set(gst.StatePlaying)
	await(t, "bytes", func() bool { n, _ := p.stats("bytes").(uint64); return n > 0 })
	for range 200 {
		if _, err := p.src.Emit("send-command", "cmd=x"); err != nil {
			t.Fatal(err)
		}
	}
	p.set(gst.StateNull)
}
