// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

// What a change does not touch is not interrupted; what goes keeps its recordings.
func TestCamerasChangeAtRunTime(t *testing.T) {
	paced := func() *fakeCamera {
		return &fakeCamera{file: testmedia.FLV(t, testmedia.H264AAC, 8, testmedia.Options{GOP: 10}), pace: true, hold: true}
	}
	gateCam, yardCam, barnCam := paced(), paced(), paced()
	gate := CameraConfig{Name: "gate", URL: gateCam.serve(t)}
	yard := CameraConfig{Name: "yard", URL: yardCam.serve(t)}
	barn := CameraConfig{Name: "barn", URL: barnCam.serve(t)}
	n := open(t, Options{}, gate, yard)
	live := func(name string) {
		until(t, name+" is live", func() bool { return status(t, n, name).State == StateLive })
	}
	recorded := func(name string) {
		until(t, name+" is recorded", func() bool { return len(segments(t, n, name)) > 0 })
	}
	live("gate")
	recorded("yard")

	if err := n.AddCamera(barn); err != nil {
		t.Fatal(err)
	}
	recorded("barn")
	if err := n.AddCamera(barn); !isCode(err, session.BadArgument) {
		t.Errorf("the same camera again: %v", err)
	}

	other := &fakeCamera{file: media(t), hold: true}
	yard2 := CameraConfig{Name: "yard", URL: other.serve(t)}
	ch, err := n.SetCameras([]CameraConfig{barn, yard2, gate})
	want := Changes{Added: []string{}, Changed: []string{"yard"}, Removed: []string{}, Unchanged: 2}
	if err != nil || !cmp.Equal(ch, want) {
		t.Fatalf("%v %s", err, cmp.Diff(ch, want))
	}
	until(t, "the other address of yard is asked", func() bool { return other.opened.Load() > 0 })
	live("yard")
	names := []string{}
	for _, s := range n.Cameras() {
		names = append(names, s.Name)
	}
	if !cmp.Equal(names, []string{"barn", "yard", "gate"}) {
		t.Errorf("order %v", names)
	}

	if ch, err = n.SetCameras([]CameraConfig{gate}); err != nil || len(ch.Removed) != 2 || ch.Unchanged != 1 {
		t.Fatalf("%+v %v", ch, err)
	}
	if _, err := n.Camera("barn"); !isCode(err, session.NoService) {
		t.Errorf("barn is still there: %v", err)
	}
	if got := gateCam.opened.Load(); got != 1 {
		t.Errorf("the camera that nobody changed was asked %d times", got)
	}
	for _, name := range []string{"barn", "yard"} {
		if len(segments(t, n, name)) == 0 {
			t.Errorf("the recordings of %s are gone", name)
		}
		list := gaps(t, n, name)
		if last := list[len(list)-1]; last.Cause != recorder.CauseConfig || !last.To.IsZero() {
			t.Errorf("%s: the last gap is %+v", name, last)
		}
	}
	if err := n.RemoveCamera("barn"); !isCode(err, session.NoService) {
		t.Errorf("removed twice: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := n.AddCamera(barn); !isCode(err, session.BadArgument) {
		t.Errorf("added to a recorder that ended: %v", err)
	}
}

// A camera with an xp2pInfo needs the account that the configuration names.
func TestAddedCameraNeedsTheAccount(t *testing.T) {
	n := open(t, Options{})
	err := n.AddCamera(CameraConfig{Name: "gate", Info: "XP2Px%1.0.0"})
	if !isCode(err, session.BadArgument) || !strings.Contains(err.Error(), "rendezvous") {
		t.Errorf("got %v", err)
	}
	if len(n.Cameras()) != 0 {
		t.Error("it is there all the same")
	}
}

func TestParseCamera(t *testing.T) {
	for text, want := range map[string]CameraConfig{
		`{"name":"gate","url":"http://h/x.flv","record":{"when":"events","pre-roll":"2s"}}`: {Name: "gate", URL: "http://h/x.flv",
			Record: RecordConfig{When: RecordEvents, PreRoll: 2 * time.Second, PostRoll: defaultPostRoll}},
		`{"name":"yard","url":"https://h/a.flv","code-url":"https://h/code/c"}`: {Name: "yard", URL: "https://h/a.flv", CodeURL: "https://h/code/c"},
		"name: yard\nurl: https://h/a.flv\nswarm: true\n":                       {Name: "yard", URL: "https://h/a.flv", Swarm: true},
		"name: yard\nurl: https://h/a.flv\nswarm: true\nupload: false\n":        {Name: "yard", URL: "https://h/a.flv", Swarm: true, NoUpload: true},
		"name: a\nurl: http://h/\nupload: true\nsound: false\nstorage: disk2\n": {Name: "a", URL: "http://h/", NoSound: true, Storage: "/nowhere/disk2"},
		"name: gate\nxp2p-info: XP2Pabc%1.0.0\n":                                {Name: "gate", Info: "XP2Pabc%1.0.0"},
	} {
		got, err := ParseCamera([]byte(text), "/nowhere")
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %v\n%s", text, err, cmp.Diff(got, want))
		}
	}
	for text, say := range map[string]string{
		"":                             "needs name",
		`{"name":"gate"}`:              "needs xp2p-info or url",
		`{"name":"a/b","url":"x"}`:     "camera.name",
		`{"name":"a","xp2p-info":"b"}`: "xp2p-info",
		`{"name":"a","url":"http://h/","record":{"when":"sometimes"}}`:                              "one of: always, events, request",
		`{"name":"a","url":"http://h/","record":{"schedule":["mon"]}}`:                              "days and hours",
		`{"name":"a","url":"http://h/","record":{"messages":true}}`:                                 "when: events",
		`{"name":"a","url":"http://h/","record":{"when":"request","schedule":["daily 1:00-2:00"]}}`: "any hour",
		`{"name":"a","url":"http://h/","record":{"pre-roll":"1h"}}`:                                 "not between",
		`{"name":"a","url":"http://h/","code-url":"c0de"}`:                                          "camera.code-url",
		`{"name":"a","code-url":"http://h/code/c"}`:                                                 "needs xp2p-info or url",
		`{"name":"a","xp2p-info":"XP2Pa%1","code-url":"http://h/code/c"}`:                           "goes with url",
		`{"name":"a","xp2p-info":"XP2Pa%1","swarm":true}`:                                           "goes with url",
		`{"name":"a","url":"http://h/","upload":false}`:                                             "goes with swarm or code-url",
		`{"name":"a","url":"http://h/","sound":"off"}`:                                              "must be true or false",
		`{"name":"a","url":"http://h/","recrod":{}}`:                                                "unknown key",
	} {
		if _, err := ParseCamera([]byte(text), "/nowhere"); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v, want %q", text, err, say)
		}
	}
}

// An added camera is one more channel of the device, a removed one is offline, and one
// that comes back has its old number.
func TestDeviceFollowsCameras(t *testing.T) {
	cam := &fakeCamera{file: media(t), hold: true}
	url := cam.serve(t)
	n := open(t, Options{}, CameraConfig{Name: "gate", URL: url})
	d, err := n.Device(DeviceConfig{Product: "P", Name: "N"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	online := func() string {
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/command?action=inner_define&cmd=get_nvr_list", nil))
		var list []struct{ DeviceName, Channel, Online string }
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
		s := ""
		for _, c := range list {
			s += c.DeviceName + c.Channel + ":" + c.Online + " "
		}
		return s
	}
	steps := []struct {
		do   func() error
		want string
	}{
		{func() error { return nil }, "gate0:1 "},
		{func() error { return n.AddCamera(CameraConfig{Name: "yard", URL: url}) }, "gate0:1 yard1:1 "},
		{func() error { return n.RemoveCamera("gate") }, "gate0:0 yard1:1 "},
		{func() error { return n.AddCamera(CameraConfig{Name: "barn", URL: url}) }, "gate0:0 yard1:1 barn2:1 "},
		{func() error { return n.AddCamera(CameraConfig{Name: "gate", URL: url}) }, "gate0:1 yard1:1 barn2:1 "},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatal(err)
		}
		until(t, s.want, func() bool { return online() == s.want })
	}
}

// A camera without sound has none in its recordings, and one with a storage of its own is
// there; one that is none of the recorder's is refused.
func TestCameraWithoutSoundInItsStorage(t *testing.T) {
	cam := &fakeCamera{file: media(t), hold: true}
	url := cam.serve(t)
	dirs := []string{t.TempDir(), t.TempDir()}
	var cameras []CameraConfig
	for i, name := range []string{"a", "b", "c", "d"} { // by name they would not all be there
		cameras = append(cameras, CameraConfig{Name: name, URL: url, NoSound: i%2 == 0, Storage: dirs[1]})
	}
	n, err := Open(Config{Storage: []StorageConfig{{Dir: dirs[0]}, {Dir: dirs[1]}}, Cameras: cameras}, Options{Timing: quick})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for i, c := range cameras {
		until(t, "it is recorded", func() bool { return len(segments(t, n, c.Name)) > 0 })
		s := segments(t, n, c.Name)[0]
		if !strings.HasPrefix(s.Path, dirs[1]+"/") || strings.Contains(s.Tracks, "aac") != (i%2 != 0) || !strings.Contains(s.Tracks, "h264") {
			t.Errorf("%s: %s in %s", c.Name, s.Tracks, s.Path)
		}
	}
	for name, change := range map[string]func(CameraConfig) error{"e": n.AddCamera, "a": n.SetCamera} {
		if err := change(CameraConfig{Name: name, URL: url, Storage: "/nowhere"}); !isCode(err, session.BadArgument) || !strings.Contains(err.Error(), "no storage of this recorder") {
			t.Errorf("%s with a storage that is none: %v", name, err)
		}
	}
	if l := len(n.Cameras()); l != len(cameras) {
		t.Errorf("%d cameras are left", l)
	}
}
