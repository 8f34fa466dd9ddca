// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xp2p/xp2p/recorder"
)

// What the keys of storage mean to the archive; a mistake names its line and key.
func TestStorageConfig(t *testing.T) {
	const hour = time.Hour
	cases := []struct {
		storage, camera string // further keys of them, one a line
		want            recorder.StorageConfig
		keep            recorder.Retention
		err             string
	}{
		{"", "", recorder.StorageConfig{}, recorder.Retention{}, ""},
		{"max-age: 30d", "max-age: 36h", recorder.StorageConfig{MaxAge: 720 * hour}, recorder.Retention{MaxAge: 36 * hour}, ""},
		{"max-age: 0.5d", "max-age: none", recorder.StorageConfig{MaxAge: 12 * hour}, recorder.Retention{MaxAge: -1}, ""},
		{"max-camera-bytes: 2GiB", "max-bytes: 5 GiB", recorder.StorageConfig{MaxCameraBytes: 2 << 30}, recorder.Retention{MaxBytes: 5 << 30}, ""},
		{"max-bytes: 1TiB", "max-bytes: none", recorder.StorageConfig{MaxBytes: 1 << 40}, recorder.Retention{MaxBytes: -1}, ""},
		{"sync: 5s", "", recorder.StorageConfig{Sync: "5s"}, recorder.Retention{}, ""},
		{"sync: segment", "", recorder.StorageConfig{Sync: recorder.SyncSegment}, recorder.Retention{}, ""},
		{"sync: never", "", recorder.StorageConfig{}, recorder.Retention{}, `line 3: storage[0].sync: "never" is neither`},
		{"sync: 3h", "", recorder.StorageConfig{}, recorder.Retention{}, "line 3: storage[0].sync: 3h0m0s is not between"},
		{"max-age: 30", "", recorder.StorageConfig{}, recorder.Retention{}, `line 3: storage[0].max-age: "30" must be a time`},
		{"max-age: xd", "", recorder.StorageConfig{}, recorder.Retention{}, `"xd" must be a time`},
		{"max-age: 1s", "", recorder.StorageConfig{}, recorder.Retention{}, "1s is not between"},
		{"max-age: none", "", recorder.StorageConfig{}, recorder.Retention{}, `"none" must be a time`},
		{"", "max-age: -3d", recorder.StorageConfig{}, recorder.Retention{}, "line 7: cameras[0].max-age: -3d is not between"},
		{"", "max-bytes: some", recorder.StorageConfig{}, recorder.Retention{}, `line 7: cameras[0].max-bytes: "some" must be a number of bytes`},
	}
	for _, c := range cases {
		text := fmt.Sprintf("storage:\n  - dir: /archive\n    %s\ncameras:\n  - name: yard\n    url: http://192.0.2.7/live.flv\n    %s\n", c.storage, c.camera)
		cfg, err := ParseConfig([]byte(text), "/")
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s, %s: %v", c.storage, c.camera, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s, %s: %v", c.storage, c.camera, err)
			continue
		}
		c.want.Dir = "/archive"
		if d := cmp.Diff(c.want, cfg.storages()[0]); d != "" {
			t.Errorf("%s: %s", c.storage, d)
		}
		if d := cmp.Diff(c.keep, cfg.Cameras[0].retention()); d != "" {
			t.Errorf("%s: %s", c.camera, d)
		}
	}
}

// What happens in the archive is told to subscribers.
func TestNotices(t *testing.T) {
	n := &NVR{}
	s := n.Subscribe()
	for _, c := range []struct {
		kind recorder.NoticeKind
		want string
	}{
		{recorder.NoticeSegment, "record.segment"},
		{recorder.NoticeGapOpened, "record.gap-opened"},
		{recorder.NoticeFull, "storage.full"},
		{recorder.NoticeClock, "clock.set"},
	} {
		n.notice(recorder.Notice{Kind: c.kind, Camera: "yard"})
		if e := <-s.C; e.Type != c.want || e.Camera != "yard" {
			t.Errorf("%s: %+v", c.kind, e)
		}
	}
	s.Close()
}

// The key of manifests is made once, where the configuration says.
func TestSigningKey(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ line, want string }{
		{"", "archive/export.key"},
		{"export-key: other.pem", "other.pem"},
		{"export-key: " + dir + "/abs.pem", "abs.pem"},
	} {
		cfg, err := ParseConfig([]byte(c.line+"\nstorage:\n  - dir: archive\n"), dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(cfg.Storage[0].Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		n := &NVR{cfg: cfg}
		key, err := n.SigningKey()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := n.SigningKey(); err != nil || !key.Equal(again) {
			t.Errorf("%q: another key the second time (%v)", c.line, err)
		}
		if _, err := os.Stat(filepath.Join(dir, c.want)); err != nil {
			t.Errorf("%q: %v", c.line, err)
		}
	}
}
