// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/nvr/objectstore"
	"github.com/xp2p/xp2p/nvr/shelf"
	"github.com/xp2p/xp2p/recorder"
)

// A disk is lost, and what the bucket has of it is listed and played again, by the same
// configuration.
func TestRestore(t *testing.T) {
	backend := s3mem.New()
	if err := backend.CreateBucket("cameras"); err != nil {
		t.Fatal(err)
	}
	bucket := httptest.NewServer(gofakes3.New(backend).Server())
	defer bucket.Close()
	cam := &fakeCamera{file: testmedia.FLV(t, testmedia.H264AAC, 6, testmedia.Options{GOP: 25})}
	dir := filepath.Join(t.TempDir(), "disk")
	cfg := Config{
		Storage: []StorageConfig{{Dir: dir, Segment: time.Second}},
		Cameras: []CameraConfig{{Name: "gate", URL: cam.serve(t)}},
		Remote:  &RemoteConfig{Config: objectstore.Config{Endpoint: bucket.URL, Bucket: "cameras", Prefix: "home", Region: "us-east-1", AccessKey: "a", SecretKey: "b"}},
	}
	n, err := Open(cfg, Options{Timing: quick})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "segments are copied", func() bool {
		st, err := n.Archive().Status(t.Context())
		return err == nil && st[0].Segments-st[0].Remote.Waiting >= 3
	})
	if _, err := Restore(t.Context(), cfg, RestoreRequest{}); err == nil || !strings.Contains(err.Error(), "in use by another recorder") {
		t.Errorf("while it records: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	id, err := recorder.StorageID(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(c *Config, r *RestoreRequest)
		want   string
	}{
		"no remote store": {func(c *Config, _ *RestoreRequest) { c.Remote = nil }, "no remote"},
		"another prefix": {func(c *Config, _ *RestoreRequest) {
			r := *c.Remote
			r.Prefix = "away"
			c.Remote = &r
		}, "bucket and prefix"},
		"no bucket": {func(c *Config, _ *RestoreRequest) {
			r := *c.Remote
			r.Bucket = "nowhere"
			c.Remote = &r
		}, "there is no bucket"},
		"another directory": {func(_ *Config, r *RestoreRequest) { r.Dir = "/nowhere" }, "is no storage of the configuration"},
		"two empty ones": {func(c *Config, _ *RestoreRequest) {
			c.Storage = append(c.Storage[:1:1], StorageConfig{Dir: dir + "2"})
		}, "--storage"},
	} {
		c2, r := cfg, RestoreRequest{}
		c.change(&c2, &r)
		if _, err := Restore(t.Context(), c2, r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: a storage was made", name)
		}
	}
	done, err := Restore(t.Context(), cfg, RestoreRequest{})
	if err != nil || done.Files < 3 || len(done.Refused) > 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if is, err := recorder.StorageID(dir); err != nil || is != id {
		t.Errorf("the storage is %s, was %s (%v)", is, id, err)
	}
	n, err = Open(cfg, Options{Timing: quick})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	list := segments(t, n, "gate")
	if int64(len(list)) < done.Files || !list[0].Remote {
		t.Fatalf("%d segments are listed of %d: %+v", len(list), done.Files, list)
	}
	c, err := shelf.New(n.Archive(), "gate").Play(t.Context(), list[0].Start)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var frame device.Frame
	for frames := range 60 { // more than a segment
		if err := c.Next(t.Context(), &frame); err != nil {
			t.Fatalf("after %d frames: %v", frames, err)
		}
	}
}
