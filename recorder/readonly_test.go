// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ext4Disk mounts a disk of its own with an ext4 on it, which turns read-only at its first
// error, as real ones do; again mounts it anew.
func ext4Disk(t *testing.T) (dir string, again func()) {
	t.Helper()
	mkfs, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		t.Skip("mkfs.ext4 is not installed: apt-get install -y e2fsprogs")
	}
	image := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(image)
	must(t, err)
	must(t, f.Truncate(32<<20))
	must(t, f.Close())
	if out, err := exec.Command(mkfs, "-q", "-F", image).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dir = t.TempDir()
	mount := func() error {
		out, err := exec.Command("mount", "-t", "ext4", "-o", "loop,errors=remount-ro", image, dir).CombinedOutput()
		if err != nil {
			t.Logf("mount: %v: %s", err, out)
		}
		return err
	}
	if mount() != nil {
		t.Skip("this machine mounts no ext4 from a file (loop devices)")
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir, func() {
		t.Helper()
		must(t, unix.Unmount(dir, 0))
		must(t, mount())
	}
}

// A disk that the kernel turns read-only while it is recorded to is said to be failing, by
// the storage and by the ledger; the camera on another disk does not notice. What was
// synced before is there when it is mounted again, and every moment is explained.
func TestRemountedReadOnly(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	const second = time.Second
	broken, again := ext4Disk(t)
	sound := smallDisk(t, "64m")
	clock := newSimulated()
	var notes notices
	cfg := Config{Storages: []StorageConfig{{Dir: broken, Segment: 5 * second}, {Dir: sound, Segment: 5 * second}}, Now: clock.now, Notify: notes.add, settle: -1}
	a := openArchive(t, cfg)
	must(t, a.SetStorage("gate", broken))
	must(t, a.SetStorage("yard", sound))
	wanted := clock.now()
	gate, yard := camera(t, a, "gate").StartRun(), camera(t, a, "yard").StartRun()
	pictures := stills(t, 60, second)
	record := func(from, to int) {
		for i := from; i < to; i++ {
			gate.Write(&pictures[i]) // a run on a broken disk ends with an error
			play(t, yard, clock, pictures[i:i+1])
			if !pictures[i].Config {
				clock.add(second)
			}
			if i%5 == 0 {
				flush(t, a)
			}
		}
		flush(t, a)
	}
	record(0, 22)
	before := list(t, a, "gate")
	if len(before) < 3 {
		t.Fatalf("%d segments before it", len(before))
	}
	if out, err := exec.Command("mount", "-o", "remount,abort", broken).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if f, err := os.Create(filepath.Join(broken, "x")); err == nil {
		f.Close()
		t.Fatal("the disk can be written to")
	}
	record(22, 60)
	st, err := a.Status(t.Context())
	must(t, err)
	if st[0].Error == "" || st[1].Error != "" {
		t.Errorf("the storages say %q and %q", st[0].Error, st[1].Error)
	}
	if got := gaps(t, a, "gate"); len(got) == 0 || got[len(got)-1].Cause != CauseDisk {
		t.Errorf("the ledger says %+v", got)
	}
	explained(t, a, "gate", wanted, clock.now())
	explained(t, a, "yard", wanted, clock.now().Add(-2*second)) // the part being filled is not on the disk
	if got := gaps(t, a, "yard"); len(got) > 0 {
		t.Errorf("the other camera has gaps: %+v", got)
	}
	yard.Close(CauseCamera)
	gate.Close(CauseCamera)
	a.Close() // it cannot write its last words, and does not hang
	again()
	a = openArchive(t, cfg)
	camera(t, a, "gate")
	camera(t, a, "yard")
	flush(t, a)
	after := list(t, a, "gate")
	if len(after) < len(before) {
		t.Fatalf("%d segments of %d are left", len(after), len(before))
	}
	for i := range after {
		decodes(t, after[i].Path)
		if i < len(before)-1 && after[i].Bytes != before[i].Bytes {
			t.Errorf("%s has %d bytes, had %d", after[i].Path, after[i].Bytes, before[i].Bytes)
		}
	}
	last := before[len(before)-1].End
	if end := after[len(after)-1].End; end.Before(last) {
		t.Errorf("%v before it were lost that counted as recorded", last.Sub(end))
	}
	explained(t, a, "gate", wanted, clock.now())
	explained(t, a, "yard", wanted, clock.now())
	must(t, a.Close())
}
