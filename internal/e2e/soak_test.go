// SPDX-License-Identifier: LGPL-2.1-or-later

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/control"
	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// soakLength is how long TestSoak lasts, and soakCameras how many cameras it has:
//
//	XP2P_SOAK=2h XP2P_SOAK_CAMERAS=30 go test -run TestSoak -timeout 3h ./internal/e2e
//
// By itself it is a short one.
func soakLength(t *testing.T) (time.Duration, int) {
	t.Helper()
	length, cameras := 20*time.Second, 6
	if s := os.Getenv("XP2P_SOAK"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatalf("XP2P_SOAK: %v", err)
		}
		cameras = 30
	}
	if s := os.Getenv("XP2P_SOAK_CAMERAS"); s != "" {
		var err error
		if cameras, err = strconv.Atoi(s); err != nil {
			t.Fatalf("XP2P_SOAK_CAMERAS: %v", err)
		}
	}
	return length, cameras
}

// whims is an http-flv camera that plays its file to whoever asks, and has its whims: it
// refuses, falls silent, breaks off in the middle of a tag, or plays to its end, which
// is the camera starting anew.
type whims struct {
	mu     sync.Mutex
	random *rand.Rand
	file   []byte
	count  map[string]int
}

// next is what happens on a connection, and after how long.
func (c *whims) next() (what string, after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	after = time.Duration(1+c.random.IntN(40)) * time.Second
	switch n := c.random.IntN(10); {
	case n < 1:
		what = "refuses"
	case n < 2:
		what = "silent"
	case n < 6:
		what = "breaks off"
	default:
		what, after = "ends", time.Hour
	}
	c.count[what]++
	return what, after
}

func (c *whims) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what, after := c.next()
	if what == "refuses" {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "video/x-flv")
	end := time.Now().Add(after)
	playTags(c.file, w, func() error {
		if err := r.Context().Err(); err != nil {
			return err
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return err
		}
		switch {
		case time.Now().Before(end):
			return nil
		case what == "silent":
			<-r.Context().Done()
			return r.Context().Err()
		}
		w.Write(c.file[20:60]) // the beginning of something
		panic(http.ErrAbortHandler)
	})
}

// resident is a process's memory in KiB.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize()) >> 10
}

// Many cameras for long, which restart, refuse, fall silent and break off, over http and
// over the link: every picture that arrived is in a file, every file plays, every instant
// is in a file or explained, and the recorder does not grow.
func TestSoak(t *testing.T) {
	length, count := soakLength(t)
	w := newWorld(t)
	file := testmedia.FLV(t, testmedia.H264AAC, originSeconds, testmedia.Options{GOP: testmedia.FrameRate})
	bytes, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f := feed{file: file, of: whole, video: demux.H264, audio: demux.AAC}
	peers := map[string]*camera{}
	var sources []source
	var origins []*whims
	for i := range count {
		name := fmt.Sprintf("cam%02d", i)
		if i%6 == 5 { // over the link
			peers[name] = w.camera(name, "flv:"+file)
			sources = append(sources, source{name: name, info: peers[name].info})
			continue
		}
		c := &whims{random: rand.New(rand.NewPCG(uint64(i), 1)), file: bytes, count: map[string]int{}}
		origins = append(origins, c)
		s := httptest.NewServer(c)
		t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
		sources = append(sources, source{name: name, url: s.URL + "/live.flv"})
	}
	long := segment
	if length > 5*time.Minute {
		long = time.Minute
	}
	n := w.nvr(long, sources...)
	e := newExaminer(t, &f)
	end := time.Now().Add(length)
	random := rand.New(rand.NewPCG(1, 2))
	pause := func() time.Time { return time.Now().Add(length/8 + time.Duration(random.Int64N(int64(length/8)))) }
	restart := pause()
	restarts := 0
	var early int64
	for time.Now().Before(end) {
		// Complete files are looked at while others are written: after hours there
		// would be hours of looking.
		n.examine(t, e, 10*long)
		time.Sleep(min(time.Until(end), long/2))
		if early == 0 && time.Until(end) < length*3/4 {
			early = resident(t, n.cmd.Process.Pid)
		}
		if time.Now().Before(restart) {
			continue
		}
		restart = pause()
		for _, c := range peers { // one of them
			c.kill()
			c.launch()
			c.online()
			restarts++
			break
		}
	}
	late := resident(t, n.cmd.Process.Pid)
	status := n.status()
	n.stop()
	happened := map[string]int{"camera restarts": restarts}
	for _, c := range origins {
		c.mu.Lock()
		for what, k := range c.count {
			happened[what] += k
		}
		c.mu.Unlock()
	}
	t.Logf("%d cameras for %v: %v; %d KiB after a quarter, %d KiB at the end", count, length, happened, early, late)
	if late > early+early/4+8<<10 {
		t.Errorf("the recorder grew from %d to %d KiB", early, late)
	}
	a := n.archive()
	total, files := 0, 0
	for _, s := range sources {
		got := e.recording(t, a, s.name)
		total += got
		files += len(segments(t, a, s.name))
		// Peers send their last group of pictures again, so there can be more.
		if before := status[s.name].Frames; int64(got) < before {
			t.Errorf("%s: %d pictures arrived, %d are recorded: %+v", s.name, before, got, status[s.name])
		}
		if status[s.name].Frames == 0 {
			t.Errorf("%s: nothing arrived", s.name)
		}
		explained(t, a, s.name)
	}
	indexAgrees(t, n, a)
	t.Logf("%d pictures in %d files", total, files)
}

// examine looks at the files that were completed of late.
func (n *recording) examine(t *testing.T, e *examiner, of time.Duration) {
	t.Helper()
	var l control.RecordList
	n.ctl(&l, "record.list", fmt.Sprintf(`{"from":%q}`, time.Now().Add(-of).UTC().Format(time.RFC3339)))
	for _, s := range l.Segments {
		if !s.Open {
			e.file(t, s.Path)
		}
	}
}
