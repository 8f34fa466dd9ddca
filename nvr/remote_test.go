// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"bytes"
	"io"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/nvr/objectstore"
	"github.com/xp2p/xp2p/nvr/shelf"
)

// What is recorded is copied to the bucket, leaves the disk by its limits, and is
// played from the bucket.
func TestRemoteStore(t *testing.T) {
	backend := s3mem.New()
	if err := backend.CreateBucket("cameras"); err != nil {
		t.Fatal(err)
	}
	bucket := httptest.NewServer(gofakes3.New(backend).Server())
	defer bucket.Close()
	cam := &fakeCamera{file: testmedia.FLV(t, testmedia.H264AAC, 6, testmedia.Options{GOP: 25})}
	n, err := Open(Config{
		Storage: []StorageConfig{{Dir: t.TempDir(), Segment: time.Second, MaxBytes: 1}},
		Cameras: []CameraConfig{{Name: "gate", URL: cam.serve(t)}},
		Remote:  &RemoteConfig{Config: objectstore.Config{Endpoint: bucket.URL, Bucket: "cameras", Region: "us-east-1", AccessKey: "a", SecretKey: "b"}},
	}, Options{Timing: quick})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	away := func() (count int) {
		for _, s := range segments(t, n, "gate") {
			if s.Remote {
				count++
			}
		}
		return count
	}
	// The storage's limit is applied where a segment begins.
	until(t, "segments are away", func() bool {
		st, err := n.Archive().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return st[0].Remote.Error == "" && away() >= 2
	})
	for _, s := range segments(t, n, "gate") {
		if !s.Remote {
			continue
		}
		f, err := s.OpenFile(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(io.NewSectionReader(f, 0, s.Bytes))
		f.Close()
		if err != nil || int64(len(b)) != s.Bytes || !bytes.Equal(b[4:8], []byte("ftyp")) {
			t.Fatalf("%s: %d bytes, %v", s.Path, len(b), err)
		}
		file := t.TempDir() + "/s.mp4"
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		decodes(t, file)
		c, err := shelf.New(n.Archive(), "gate").Play(t.Context(), s.Start)
		if err != nil {
			t.Fatal(err)
		}
		var frame device.Frame
		for frames := range 10 {
			if err := c.Next(t.Context(), &frame); err != nil {
				t.Errorf("%s: after %d frames: %v", s.Path, frames, err)
				break
			}
		}
		c.Close()
		return
	}
	t.Error("nothing is away any more")
}
