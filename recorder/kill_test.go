// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/fmp4"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// victimDir in the environment makes this test binary a recorder that is killed:
// its value is the storage. victimMedia is the FLV file that it records.
const (
	victimDir   = "XP2P_TEST_VICTIM"
	victimMedia = "XP2P_TEST_MEDIA"
)

// killsVariable asks TestKilledAtAnyMoment for that many kills.
const killsVariable = "XP2P_TEST_KILLS"

var victimCameras = []string{"gate", "yard"}

// victim records two cameras in real time and says after every commit what it
// promised to keep.
func victim(dir string) {
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "victim:", err)
			os.Exit(1)
		}
	}
	a, err := Open(Config{Storages: []StorageConfig{{Dir: dir, Segment: time.Second, Part: 100 * time.Millisecond}}, settle: 20 * time.Millisecond})
	check(err)
	var runs []*Run
	for _, name := range victimCameras {
		c, err := a.Camera(name)
		check(err)
		runs = append(runs, c.StartRun())
	}
	f, err := os.Open(os.Getenv(victimMedia))
	check(err)
	r := flv.NewReader(f, flv.Options{})
	list, err := readAll(r)
	check(err)
	out := json.NewEncoder(os.Stdout)
	start := time.Now()
	for i := range list {
		time.Sleep(time.Until(start.Add(list[i].DTS)))
		for _, r := range runs {
			check(r.Write(&list[i]))
		}
		if i%5 == 0 {
			check(a.Flush(context.Background()))
			segs, err := a.List(context.Background(), "", time.Time{}, time.Time{})
			check(err)
			check(out.Encode(segs))
		}
	}
	os.Exit(1) // it should have been killed
}

// Killed at any moment a recorder loses nothing that it had committed; the next
// one finds files and index in agreement and every instant explained.
func TestKilledAtAnyMoment(t *testing.T) {
	if testing.Short() {
		t.Skip("kills recorders for some seconds")
	}
	file := testmedia.FLV(t, testmedia.H264AAC, 5, testmedia.Options{GOP: 5})
	dir := t.TempDir()
	begin := time.Now().Round(time.Millisecond)
	promised := map[string]int64{} // bytes by path
	cycles := testCount(t, killsVariable, 30)
	for range cycles {
		killOne(t, dir, file, promised)
	}
	a := openArchive(t, Config{Storages: []StorageConfig{{Dir: dir}}})
	now := time.Now()
	for _, name := range victimCameras {
		camera(t, a, name)
	}
	flush(t, a)
	segs := list(t, a, "")
	agree(t, dir, segs)
	sizes := map[string]int64{}
	for _, s := range segs {
		sizes[s.Path] = s.Bytes
	}
	for path, n := range promised {
		if sizes[path] < n {
			t.Errorf("%s: %d bytes were committed, %d are there", path, n, sizes[path])
		}
	}
	if len(promised) < cycles {
		t.Errorf("only %d segments in %d cycles", len(promised), cycles)
	}
	for _, name := range victimCameras {
		first := list(t, a, name)[0].Start
		for _, g := range gaps(t, a, name) {
			if g.From.Before(first) {
				first = g.From
			}
		}
		if first.Before(begin) {
			t.Errorf("%s: begins %v before the test", name, begin.Sub(first))
		}
		explained(t, a, name, first, now)
	}
	for i := 0; i < len(segs); i += 1 + len(segs)/15 {
		decodes(t, segs[i].Path)
	}
}

// killOne runs a victim, kills it at a random moment and notes what it had promised.
func killOne(t *testing.T, dir, file string, promised map[string]int64) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimDir+"="+dir, victimMedia+"="+file)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReaderSize(out, 1<<20)
	first, err := lines.ReadString('\n')
	if err != nil {
		cmd.Process.Kill()
		t.Fatalf("victim said nothing: %v", err)
	}
	time.AfterFunc(time.Duration(rand.Intn(600))*time.Millisecond, func() { cmd.Process.Kill() })
	last := first
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // a line that was cut promises nothing
		}
		last = line
	}
	cmd.Wait()
	var segs []Segment
	if err := json.Unmarshal([]byte(last), &segs); err != nil {
		t.Fatalf("%v in %q", err, last)
	}
	for _, s := range segs {
		promised[s.Path] = s.Bytes
	}
}

// agree checks that index and files are the same set, and each file whole.
func agree(t testing.TB, dir string, segs []Segment) {
	t.Helper()
	indexed := map[string]Segment{}
	for _, s := range segs {
		indexed[s.Path] = s
		f, err := os.Open(s.Path)
		if err != nil {
			t.Error(err)
			continue
		}
		st, _ := f.Stat()
		file, err := fmp4.Scan(f, st.Size())
		f.Close()
		if err != nil || file.Size != st.Size() || len(file.Parts) == 0 {
			t.Errorf("%s: %d of %d bytes are whole parts (%v)", s.Path, file.Size, st.Size(), err)
		}
		if s.Bytes != st.Size() && !s.Open {
			t.Errorf("%s has %d bytes, the index says %d", s.Path, st.Size(), s.Bytes)
		}
	}
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".mp4") && !strings.Contains(path, quarantineName) {
			if _, ok := indexed[path]; !ok {
				t.Errorf("%s is not in the index", path)
			}
		}
		return err
	})
}
