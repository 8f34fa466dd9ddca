// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mountsVariable names, in the environment, the test that runs in mounts of its own.
const mountsVariable = "XP2P_TEST_MOUNTS"

// inOwnMounts runs the calling test once more in a process with mounts of its own, and
// says whether this is it. The other one has nothing to do but return.
func inOwnMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(mountsVariable) == t.Name() {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	if os.Getuid() != 0 {
		t.Skip("only root may mount a small disk; as root this test mounts it for itself alone")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mountsVariable+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("this machine gives root no mounts of its own (CAP_SYS_ADMIN)")
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// smallDisk mounts a file system of that size.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// A full disk does not stop recording where the oldest may go, and where they may not
// it goes on once there is room. No file is empty, and the accounts are exact.
func TestDiskFull(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	const second = time.Second
	one := stills(t, 30, second) // about 200 KiB
	for _, c := range []struct {
		name    string
		storage StorageConfig
		stops   bool
	}{
		{"nothing may go", StorageConfig{}, true},
		{"free space is kept", StorageConfig{KeepFree: 1 << 20}, false},
		{"only the disk itself is the limit", StorageConfig{MaxBytes: 1 << 40}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := smallDisk(t, "12m")
			clock := newSimulated()
			var notes notices
			c.storage.Dir, c.storage.Segment = dir, 5*second
			cfg := Config{Storages: []StorageConfig{c.storage}, Now: clock.now, Notify: notes.add, settle: -1}
			a := openArchive(t, cfg)
			names := []string{"gate", "yard"}
			wanted := clock.now()
			runs := map[string]*Run{}
			for _, n := range names {
				runs[n] = camera(t, a, n).StartRun()
			}
			record := func(from, to int) {
				for i := from; i < to; i++ {
					for k := range one {
						for _, n := range names {
							play(t, runs[n], clock, shifted(one[k:k+1], time.Duration(i)*30*second))
						}
						if !one[k].Config {
							clock.add(second)
						}
					}
					flush(t, a)
				}
			}
			const rounds = 60 // 24 MiB
			record(0, rounds)
			full := notes.of(NoticeFull)
			if c.stops != (len(full) > 0) {
				t.Errorf("notices %+v", full)
			}
			if c.stops {
				if !strings.Contains(full[0].Error, "set keep-free or max-bytes") {
					t.Errorf("it is said: %s", full[0].Error)
				}
				for _, s := range list(t, a, "")[:40] { // somebody makes room
					os.Remove(s.Path)
				}
				clock.add(2 * retryMost)
				for _, n := range names { // the cameras sent nothing meanwhile
					runs[n] = camera(t, a, n).StartRun()
				}
				record(rounds, rounds+1)
			}
			for _, n := range names {
				runs[n].Close(CauseCamera)
			}
			flush(t, a)
			last := list(t, a, "")
			if end := last[len(last)-1].End; clock.now().Sub(end) > 10*second {
				t.Errorf("nothing is recorded since %v", clock.now().Sub(end))
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			a = openArchive(t, cfg)
			for _, n := range names {
				camera(t, a, n)
			}
			flush(t, a)
			segs := list(t, a, "")
			agree(t, dir, segs)
			st, err := a.Status(t.Context())
			if err != nil || st[0].Bytes != sumBytes(segs) || st[0].Segments != int64(len(segs)) {
				t.Errorf("status %+v, %v; %d segments of %d bytes", st, err, len(segs), sumBytes(segs))
			}
			for _, n := range names {
				first, _ := earliest(t, a, n)
				if c.stops {
					first = wanted
				}
				explained(t, a, n, first, clock.now())
			}
			for i := range segs {
				if segs[i].Bytes == 0 {
					t.Errorf("%s is empty", segs[i].Path)
				}
				if i%40 == 0 {
					decodes(t, segs[i].Path)
				}
			}
			if q, _ := filepath.Glob(filepath.Join(dir, quarantineName, "*")); len(q) > 0 {
				t.Errorf("in quarantine: %v", q)
			}
			a.Close()
		})
	}
}

// A storage that is mounted read-only is refused with a word on it.
func TestReadOnlyMount(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	dir := smallDisk(t, "12m")
	cfg := Config{Storages: []StorageConfig{{Dir: dir}}}
	a := openArchive(t, cfg)
	camera(t, a, "cam")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg); !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), dir) {
		t.Errorf("opened read-only: %v", err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	openArchive(t, cfg).Close()
}
