// SPDX-License-Identifier: LGPL-2.1-or-later

package speaker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/internal/launch"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// talk is what the tests say: n units of 20 ms of a codec.
func talk(s device.Sound, n int) (list []demux.Unit) {
	size := s.Rate / 50
	if s.Codec == demux.PCM {
		size *= 2 * s.Channels
	}
	for i := range n {
		u := demux.Unit{Kind: demux.Audio, Codec: s.Codec, Key: true, DTS: time.Duration(i) * 20 * time.Millisecond,
			Rate: s.Rate, Channels: s.Channels, Data: bytes.Repeat([]byte{byte(i), 1}, size/2)}
		list = append(list, u)
	}
	return list
}

func open(t *testing.T, spec, sound string) device.Talk {
	t.Helper()
	s, err := Parse(spec, sound)
	if err != nil {
		t.Fatal(err)
	}
	if s.Sound() != Sounds[sound] {
		t.Errorf("takes %v", s.Sound())
	}
	o, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func say(t *testing.T, o device.Talk, list []demux.Unit) {
	t.Helper()
	for i := range list {
		if err := o.Play(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
}

// heard reads FLV to its end.
func heard(t *testing.T, r io.Reader) (list []demux.Unit) {
	t.Helper()
	fr := flv.NewReader(r, flv.Options{Strict: true})
	for {
		var tag flv.Tag
		var u demux.Unit
		err := fr.Next(&tag, &u)
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		u.Data = bytes.Clone(u.Data)
		list = append(list, u)
	}
}

// What is said is in the FLV file as it was said; the next talk takes its place.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heard.flv")
	list := talk(Sounds["alaw"], 50)
	picture := demux.Unit{Kind: demux.Video, Codec: demux.H264, Key: true, DTS: list[49].DTS, Data: []byte{0, 0, 0, 1, 0x65}}
	say(t, open(t, path, "alaw"), append(list, picture))
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	got := heard(t, f)
	f.Close()
	if d := cmp.Diff(append(list, picture), got); d != "" {
		t.Error(d)
	}
	say(t, open(t, path, "alaw"), list[:1])
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(heard(t, bytes.NewReader(b))); n != 1 {
		t.Errorf("the second talk has %d units", n)
	}
}

// WAV files are what an independent reader says they should be.
func TestWAV(t *testing.T) {
	for sound, codec := range map[string]string{"alaw": "pcm_alaw", "mulaw": "pcm_mulaw", "pcm": "pcm_s16le"} {
		s := Sounds[sound]
		path := filepath.Join(t.TempDir(), "heard.WAV")
		list := talk(s, 51)
		say(t, open(t, path, sound), append(list, demux.Unit{Kind: demux.Video, Codec: demux.H264, Data: []byte("not in it")}))
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		for _, u := range list {
			want = append(want, u.Data...)
		}
		if got := b[58:]; !bytes.Equal(got, append(want, make([]byte, len(want)%2)...)) {
			t.Errorf("%s: %d bytes of samples, want %d", sound, len(got), len(want))
		}
		out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_name,sample_rate,channels,duration_ts", "-of", "csv=p=0", path).CombinedOutput()
		if errors.Is(err, exec.ErrNotFound) {
			t.Fatal("ffprobe is missing: apt-get install -y ffmpeg")
		}
		samples := 51 * (s.Rate / 50)
		if got, want := strings.TrimSpace(string(out)), []any{codec, s.Rate, s.Channels, samples}; err != nil || got != join(want) {
			t.Errorf("%s: ffprobe says %s, %v; want %s", sound, got, err, join(want))
		}
	}
}

func join(l []any) string {
	var s []string
	for _, v := range l {
		s = append(s, fmt.Sprint(v))
	}
	return strings.Join(s, ",")
}

// A named pipe needs a reader; one that does not read ends the talk.
func TestFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Parse(path, "mulaw")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "nobody reads") {
		t.Errorf("without a reader: %v", err)
	}
	r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list := talk(Sounds["mulaw"], 100)
	got := make(chan []demux.Unit, 1)
	go func() { got <- heard(t, r) }()
	say(t, o, list)
	if d := cmp.Diff(list, <-got); d != "" {
		t.Error(d)
	}
	o, err = s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for err == nil { // nobody takes it any more
		err = o.Play(&demux.Unit{Kind: demux.Audio, Codec: demux.MuLaw, Data: make([]byte, 16<<10)})
	}
	if !strings.Contains(err.Error(), "nothing was taken") {
		t.Errorf("a reader that does not read: %v", err)
	}
	o.Close()
	r.Close()
}

func TestGst(t *testing.T) {
	if _, err := launch.Find(launch.GStreamer); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "heard.raw")
	list := talk(Sounds["alaw"], 50)
	say(t, open(t, "gst:flvdemux ! filesink location="+path, "alaw"), list)
	b, err := os.ReadFile(path)
	var want []byte
	for _, u := range list {
		want = append(want, u.Data...)
	}
	if err != nil || !bytes.Equal(b, want) {
		t.Errorf("%d bytes were played, want %d: %v", len(b), len(want), err)
	}
	// One that cannot run says why.
	o := open(t, "gst:nosuchsink", "alaw")
	err = nil
	for range 1000 {
		if err = o.Play(&list[0]); err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err = errors.Join(err, o.Close()); err == nil || !strings.Contains(err.Error(), "nosuchsink") {
		t.Errorf("a pipeline that does not exist: %v", err)
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range [][3]string{
		{"", "alaw", "want a file"},
		{t.TempDir(), "alaw", "directory"},
		{"x.wav", "aac", "WAV"},
		{"x.flv", "opus", "unknown sound"},
		{"gst:", "alaw", "launch line"},
		{`gst:a "b`, "alaw", "not closed"},
	} {
		if s, err := Parse(tt[0], tt[1]); !errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), tt[2]) {
			t.Errorf("%q, %s: %v, %v", tt[0], tt[1], s, err)
		}
	}
	s, err := Parse(filepath.Join(t.TempDir(), "no", "such", "dir.flv"), "alaw")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context()); err == nil {
		t.Error("a file that cannot be made was opened")
	}
}

// A talk without end does not fill the disk.
func TestTalkIsBounded(t *testing.T) {
	l := &limited{io.Discard, 10}
	if _, err := l.Write(make([]byte, 10)); err != nil {
		t.Error(err)
	}
	if _, err := l.Write([]byte{1}); !errors.Is(err, errTooLong) {
		t.Errorf("beyond the limit: %v", err)
	}
	w := open(t, filepath.Join(t.TempDir(), "x.wav"), "alaw").(*wavTalk)
	w.bytes = maxTalk
	if err := w.Play(&talk(Sounds["alaw"], 1)[0]); !errors.Is(err, errTooLong) {
		t.Errorf("a WAV beyond the limit: %v", err)
	}
	w.bytes = 0
	w.Close()
}
