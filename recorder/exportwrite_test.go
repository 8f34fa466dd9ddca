// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
)

// everything asks for all that recordings has.
func everything(path string) ExportRequest {
	return ExportRequest{Camera: "cam", From: time.Unix(0, 0), To: time.Now().Add(time.Hour), Path: path}
}

// left are the files of a directory.
func left(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// brokenOff runs an export until it has said n times how far it is.
func brokenOff(t testing.TB, a *Archive, r ExportRequest, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r.Progress = func(int64, int64) {
		if n--; n <= 0 {
			cancel()
		}
	}
	if _, err := a.Export(ctx, r); !errors.Is(err, context.Canceled) {
		t.Fatalf("broken off: %v", err)
	}
}

// An export that was broken off goes on from its last whole piece, and is the same in
// the end as one that was not.
func TestExportGoesOn(t *testing.T) {
	large := media(t, testmedia.H264AAC, 12, testmedia.Options{GOP: 25, Width: 640, Height: 360})
	a, _, _ := recordings(t, large) // two files
	for _, sum := range []bool{false, true} {
		whole := everything(filepath.Join(t.TempDir(), "clip.mp4"))
		whole.Sum = sum
		fresh := int64(-1) // what is written first: the header
		whole.Progress = func(done, _ int64) {
			if fresh < 0 {
				fresh = done
			}
		}
		want, err := a.Export(t.Context(), whole)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name  string
			n     int
			spoil func(t *testing.T, dir string)
			skips bool // what was written is not written again
		}{
			{"in the first file", 8, nil, true},
			{"in the second", 20, nil, true},
			{"a piece is torn", 8, func(t *testing.T, dir string) {
				f, err := os.OpenFile(filepath.Join(dir, "clip.mp4.partial"), os.O_APPEND|os.O_WRONLY, 0)
				must(t, err)
				_, err = f.Write([]byte("torn"))
				must(t, errors.Join(err, f.Close()))
			}, true},
			{"the file is short", 8, func(t *testing.T, dir string) {
				must(t, os.Truncate(filepath.Join(dir, "clip.mp4.partial"), 100))
			}, false},
			{"the journal is damaged", 8, func(t *testing.T, dir string) {
				must(t, os.WriteFile(filepath.Join(dir, "clip.mp4.partial.json"), []byte(`{"plan":`), 0o600))
			}, false},
			{"the journal is of another export", 8, func(t *testing.T, dir string) {
				must(t, os.WriteFile(filepath.Join(dir, "clip.mp4.partial.json"), []byte(`{"plan":"00","bytes":5000,"piece":3}`), 0o600))
			}, false},
			{"the journal lies", 8, func(t *testing.T, dir string) {
				name := filepath.Join(dir, "clip.mp4.partial.json")
				b, err := os.ReadFile(name)
				must(t, err)
				b = bytes.Replace(b, []byte(`"piece":`), []byte(`"piece":1`), 1)
				must(t, os.WriteFile(name, b, 0o600))
			}, false},
			{"the first whole file is gone", 20, func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "clip.mp4"))) }, false},
		} {
			t.Run(fmt.Sprintf("%s, sum %v", c.name, sum), func(t *testing.T) {
				r := everything(filepath.Join(t.TempDir(), "clip.mp4"))
				r.Sum = sum
				dir := filepath.Dir(r.Path)
				brokenOff(t, a, r, c.n)
				if l := left(t, dir); !slices.Contains(l, "clip.mp4"+journalSuffix) {
					t.Fatalf("left: %v", l)
				}
				if c.spoil != nil {
					c.spoil(t, dir)
				}
				first := int64(-1)
				r.Progress = func(done, total int64) {
					if first < 0 {
						first = done
					}
				}
				got, err := a.Export(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				if (first > fresh) != c.skips {
					t.Errorf("it goes on from %d bytes", first)
				}
				if len(got) != len(want) {
					t.Fatalf("%d files", len(got))
				}
				for i := range got {
					b, err := os.ReadFile(got[i].Path)
					must(t, err)
					w, err := os.ReadFile(want[i].Path)
					must(t, err)
					if !bytes.Equal(b, w) || got[i].SHA256 != want[i].SHA256 || got[i].Duration != want[i].Duration {
						t.Errorf("%s is another file: %+v, want %+v", got[i].Path, got[i], want[i])
					}
					if h := sha256.Sum256(b); sum && got[i].SHA256 != hex.EncodeToString(h[:]) {
						t.Errorf("%s has another hash than is said", got[i].Path)
					}
				}
				if l := left(t, dir); !slices.Equal(l, []string{"clip-2.mp4", "clip.mp4"}) {
					t.Errorf("left: %v", l)
				}
			})
		}
	}
}

// A file that is there is replaced only where that was asked for.
func TestExportOverwrites(t *testing.T) {
	a, _, _ := recordings(t, nil)
	key, err := LoadSigningKey(filepath.Join(t.TempDir(), "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"clip.mp4", "clip.mp4" + ManifestSuffix} {
		r := everything(filepath.Join(t.TempDir(), "clip.mp4"))
		r.Sign = key
		there := filepath.Join(filepath.Dir(r.Path), name)
		must(t, os.WriteFile(there, []byte("precious"), 0o600))
		if _, err := a.Export(t.Context(), r); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), there) {
			t.Errorf("%s: %v", name, err)
		}
		if b, _ := os.ReadFile(there); string(b) != "precious" || len(left(t, filepath.Dir(there))) != 1 {
			t.Errorf("%s: %v is left", name, left(t, filepath.Dir(there)))
		}
		r.Overwrite = true
		if _, err := a.Export(t.Context(), r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := VerifyManifest(t.Context(), r.Path+ManifestSuffix, key.Public().(ed25519.PublicKey)); err != nil {
			t.Error(err)
		}
	}
}

// Two exports to one file do not write into each other.
func TestExportTwice(t *testing.T) {
	a, _, _ := recordings(t, nil)
	r := everything(filepath.Join(t.TempDir(), "clip.mp4"))
	again := r
	var second error
	tried := false
	r.Progress = func(int64, int64) {
		if !tried {
			tried = true
			_, second = a.Export(t.Context(), again)
		}
	}
	if _, err := a.Export(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if second == nil || !strings.Contains(second.Error(), "another export") {
		t.Errorf("the second: %v", second)
	}
	decodes(t, r.Path)
}

// A manifest holds as long as nothing is changed.
func TestManifest(t *testing.T) {
	a, _, _ := recordings(t, nil)
	keys := t.TempDir()
	key, err := LoadSigningKey(filepath.Join(keys, "key.pem"))
	must(t, err)
	again, err := LoadSigningKey(filepath.Join(keys, "key.pem"))
	if err != nil || !key.Equal(again) {
		t.Fatalf("the key changed: %v", err)
	}
	if st, err := os.Stat(filepath.Join(keys, "key.pem")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	other, err := LoadSigningKey(filepath.Join(keys, "other.pem"))
	must(t, err)
	public := key.Public().(ed25519.PublicKey)
	edit := func(name, from, to string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(dir, name))
			must(t, err)
			changed := bytes.Replace(b, []byte(from), []byte(to), 1)
			if bytes.Equal(b, changed) {
				t.Fatalf("%s has no %q", name, from)
			}
			must(t, os.WriteFile(filepath.Join(dir, name), changed, 0o600))
		}
	}
	const manifest = "clip.mp4" + ManifestSuffix
	for _, c := range []struct {
		name  string
		want  ed25519.PublicKey
		spoil func(t *testing.T, dir string)
		say   string // "": it holds
	}{
		{"as it was", public, nil, ""},
		{"signed by anybody", nil, nil, ""},
		{"signed by another", other.Public().(ed25519.PublicKey), nil, "another key"},
		{"a picture changed", public, func(t *testing.T, dir string) {
			f, err := os.OpenFile(filepath.Join(dir, "clip.mp4"), os.O_RDWR, 0)
			must(t, err)
			_, err = f.WriteAt([]byte{0xff}, 50_000)
			must(t, errors.Join(err, f.Close()))
		}, "clip.mp4 was changed"},
		{"the file cut", public, func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, "clip.mp4"), 50_000)) }, "clip.mp4 was changed"},
		{"the file gone", public, func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "clip.mp4"))) }, "clip.mp4 is missing"},
		{"the camera changed", public, edit(manifest, `"camera":"cam"`, `"camera":"bam"`), "signature"},
		{"a gap left out", public, edit(manifest, `"cause":"link"`, `"cause":"disk"`), "signature"},
		{"the signature cut", public, edit(manifest, `"signature":"`, `"signature":"AAAA`), "signature"},
		{"no manifest", public, func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, manifest), []byte("{}"), 0o600))
		}, "signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := everything(filepath.Join(t.TempDir(), "clip.mp4"))
			r.Sign = key
			files, err := a.Export(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if c.spoil != nil {
				c.spoil(t, filepath.Dir(r.Path))
			}
			m, by, err := VerifyManifest(t.Context(), r.Path+ManifestSuffix, c.want)
			if c.say != "" {
				if !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), c.say) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || !by.Equal(public) || m.Camera != "cam" || len(m.Files) != 1 || m.Files[0].SHA256 != files[0].SHA256 || len(m.Files[0].Captured) != 2 || len(m.Gaps) == 0 {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

// FuzzManifest reads whatever is given for one; what verifies was signed.
func FuzzManifest(f *testing.F) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		f.Fatal(err)
	}
	good, err := signManifest(&Manifest{Version: 1, Camera: "cam", Files: []ManifestFile{{Name: "clip.mp4"}}}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"manifest":{},"key":"","signature":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, by, err := readManifest(b)
		if err == nil && by.Equal(key.Public()) && m.Camera != "cam" {
			t.Fatalf("%+v was never signed", m)
		}
	})
}

// What an export reads stays until it is done.
func TestExportPins(t *testing.T) {
	clock := newSimulated()
	cfg := Config{Storages: []StorageConfig{{Dir: t.TempDir(), Segment: 2 * time.Second, MaxCameraBytes: 1}}, Now: clock.now, settle: -1}
	a := openArchive(t, cfg)
	r := camera(t, a, "cam").StartRun()
	play(t, r, clock, stills(t, 20, time.Second))
	r.Close(CauseLink)
	flush(t, a)
	req := everything(filepath.Join(t.TempDir(), "clip.mp4"))
	n := len(list(t, a, "cam"))
	swept := false
	req.Progress = func(int64, int64) {
		if !swept {
			swept = true
			sweeps(t, a, 2)
			if got := len(list(t, a, "cam")); got != n {
				t.Errorf("%d of %d segments are left", got, n)
			}
		}
	}
	if _, err := a.Export(t.Context(), req); err != nil || !swept {
		t.Fatal(err, swept)
	}
	sweeps(t, a, 2)
	if got := len(list(t, a, "cam")); got != 0 {
		t.Errorf("%d segments are left", got)
	}
}
