// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"log/slog"
	"strings"
	"testing"
)

func TestByteSize(t *testing.T) {
	for s, want := range map[string]struct {
		n    int64
		text string
	}{
		"1": {1, "1"}, "1500": {1500, "1500"}, "10GB": {10e9, "10GB"}, "2 GiB": {2 << 30, "2147483648"},
		"3kB": {3000, "3kB"}, "1TB": {1e12, "1TB"}, "512MiB": {512 << 20, "536870912"},
	} {
		var b byteSize
		if err := b.Set(s); err != nil || int64(b) != want.n || b.String() != want.text {
			t.Errorf("%q: %d (%s), %v", s, int64(b), &b, err)
		}
	}
	for _, s := range []string{"", "0", "-1", "x", "1.5GB", "GB", "1gb", "99999999999TB", "10 000"} {
		b := byteSize(7)
		if err := b.Set(s); err == nil || b != 7 {
			t.Errorf("%q: %d, %v", s, int64(b), err)
		}
	}
}

func TestCameraConfig(t *testing.T) {
	names := func(o cameraOptions) (string, error) {
		o.device, o.talkAudio = "cam", "alaw"
		if o.maxViewers == 0 {
			o.maxViewers = 4
		}
		cfg, err := cameraConfig(o, slog.New(slog.DiscardHandler))
		var l []string
		for _, c := range cfg.Channels {
			l = append(l, c.Name)
		}
		return strings.Join(l, " "), err
	}
	for _, tt := range []struct {
		inputs []string
		want   string
	}{
		{[]string{"test:"}, "cam"},
		{[]string{"door=test:"}, "door"},
		{[]string{"test:?width=320&height=180", "test:"}, "cam-0 cam-1"},
		{[]string{"rtsp://u:p@host/?a=b", "yard=rtsp://host/", "flv:/a=b.flv"}, "cam-0 yard cam-2"},
	} {
		if got, err := names(cameraOptions{inputs: tt.inputs}); err != nil || got != tt.want {
			t.Errorf("%q: %q, %v; want %q", tt.inputs, got, err, tt.want)
		}
	}
	for want, o := range map[string]cameraOptions{
		"two inputs are called": {inputs: []string{"a=test:", "a=test:"}},
		"called \"cam-1\"":      {inputs: []string{"cam-1=test:", "test:"}},
		"unknown kind":          {inputs: []string{"ftp://x"}},
		"must be at least 1":    {inputs: []string{"test:"}, maxViewers: -1},
		"bad speaker":           {inputs: []string{"test:"}, speaker: "gst:"},
		"command hook":          {inputs: []string{"test:"}, hook: "/no/such/program"},
	} {
		if got, err := names(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %q, %v; want %q", o, got, err, want)
		}
	}
}

// A directory of recordings belongs to one camera at a time, and channels need names
// that can be directories.
func TestOpenRecordings(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	o := cameraOptions{device: "cam", talkAudio: "alaw", maxViewers: 1, inputs: []string{"test:", "test:"}, record: t.TempDir(), recordMax: 1 << 30}
	cfg, err := cameraConfig(o, log)
	if err != nil {
		t.Fatal(err)
	}
	r, err := openRecordings(o, cfg.Channels, log)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cfg.Channels {
		if c.Archive == nil {
			t.Errorf("channel %d has no archive", i)
		}
	}
	if _, err := openRecordings(o, cfg.Channels, log); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second one: %v", err)
	}
	r.close()
	cfg.Channels[0].Name = strings.Repeat("x", 65)
	if _, err := openRecordings(o, cfg.Channels, log); err == nil || !strings.Contains(err.Error(), "NAME=INPUT") {
		t.Errorf("a long name: %v", err)
	}
}
