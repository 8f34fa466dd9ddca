// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"io"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

// endless is a camera in real time that comes again whenever its file has ended.
func endless(t *testing.T) *fakeCamera {
	return &fakeCamera{file: testmedia.FLV(t, testmedia.H264AAC, 30, testmedia.Options{GOP: 10}), pace: true}
}

func eventTiming() Timing {
	q := quick
	q.Evaluate, q.Linger = 10*time.Millisecond, 50*time.Millisecond
	return q
}

// recording waits until the camera is, or is not, to be recorded for a reason.
func recording(t *testing.T, n *NVR, name, reason string) {
	t.Helper()
	until(t, name+" is recorded for "+reason, func() bool { return status(t, n, name).Recording == reason })
}

// exact checks that segments and gaps follow each other without a hole and without
// both at a time, and that gaps are of the causes.
func exact(t *testing.T, n *NVR, name string, causes ...recorder.Cause) {
	t.Helper()
	type stretch struct {
		from, to time.Time
		what     string
	}
	var all []stretch
	for _, s := range segments(t, n, name) {
		all = append(all, stretch{s.Start, s.End, "segment"})
	}
	for _, g := range gaps(t, n, name) {
		all = append(all, stretch{g.From, g.To, string(g.Cause)})
		found := false
		for _, c := range causes {
			found = found || c == g.Cause
		}
		if !found {
			t.Errorf("%s: a gap of cause %s: %+v", name, g.Cause, g)
		}
	}
	for {
		sorted := true
		for i := 1; i < len(all); i++ {
			if all[i].from.Before(all[i-1].from) {
				all[i], all[i-1], sorted = all[i-1], all[i], false
			}
		}
		if sorted {
			break
		}
	}
	for i := 1; i < len(all); i++ {
		if !all[i].from.Equal(all[i-1].to) {
			t.Errorf("%s: %s ends %v, %s begins %v", name, all[i-1].what, all[i-1].to, all[i].what, all[i].from)
		}
	}
	if len(all) > 0 && !all[len(all)-1].to.IsZero() && all[len(all)-1].what != "segment" {
		t.Errorf("%s: nothing explains what is behind %v", name, all[len(all)-1].to)
	}
}

// An event is recorded from before it happened until after it.
func TestEventWithPreRoll(t *testing.T) {
	cam := endless(t)
	n := open(t, Options{Timing: eventTiming()}, CameraConfig{Name: "gate", URL: cam.serve(t), Record: RecordConfig{
		When: RecordEvents, PreRoll: 2 * time.Second, PostRoll: 300 * time.Millisecond}})
	until(t, "the pre-roll is there", func() bool { return status(t, n, "gate").Frames > 3*25 })
	if list := segments(t, n, "gate"); len(list) != 0 {
		t.Fatalf("recorded without an event: %+v", list)
	}
	happened := time.Now()
	if err := n.Trigger("gate", "doorbell", 0); err != nil {
		t.Fatal(err)
	}
	recording(t, n, "gate", ForEvent)
	recording(t, n, "gate", "")
	until(t, "the segment is complete", func() bool {
		list := segments(t, n, "gate")
		return len(list) == 1 && !list[0].Open
	})
	seg := segments(t, n, "gate")[0]
	decodes(t, seg.Path)
	if before := happened.Sub(seg.Start); before < 1500*time.Millisecond || seg.End.Before(happened) {
		t.Errorf("recorded from %v before the event until %v after it", before, seg.End.Sub(happened))
	}
	// Once more: the second recording begins behind the first.
	if err := n.BeginEvent("gate", "alarm"); err != nil {
		t.Fatal(err)
	}
	recording(t, n, "gate", ForEvent)
	if err := n.EndEvent("gate", "alarm"); err != nil {
		t.Fatal(err)
	}
	recording(t, n, "gate", "")
	until(t, "both are complete", func() bool {
		list := segments(t, n, "gate")
		return len(list) >= 2 && !list[len(list)-1].Open
	})
	exact(t, n, "gate", recorder.CauseConfig, recorder.CauseCamera, recorder.CauseLink)
	events, err := n.Archive().Events(t.Context(), "gate", time.Time{}, time.Time{}, 10)
	if err != nil || len(events) != 2 || events[0].Kind != "doorbell" || events[1].Kind != "alarm" || events[1].To.After(time.Now()) {
		t.Errorf("%+v %v", events, err)
	}
}

// Without a pre-roll there is no connection until something is wanted.
func TestOnDemand(t *testing.T) {
	cam := endless(t)
	n := open(t, Options{Timing: eventTiming()}, CameraConfig{Name: "gate", URL: cam.serve(t), Record: RecordConfig{When: RecordRequest}})
	until(t, "it is idle", func() bool { return status(t, n, "gate").State == StateIdle })
	if err := n.StartRecording("gate", 0); err != nil {
		t.Fatal(err)
	}
	recording(t, n, "gate", ForRequest)
	until(t, "it is recorded", func() bool { return len(segments(t, n, "gate")) > 0 })
	if err := n.StopRecording("gate"); err != nil {
		t.Fatal(err)
	}
	until(t, "it is idle again", func() bool { return status(t, n, "gate").State == StateIdle })
	list := segments(t, n, "gate")
	if last := list[len(list)-1]; last.Open {
		t.Errorf("%+v is open", last)
	}
	exact(t, n, "gate", recorder.CauseConfig, recorder.CauseLink, recorder.CauseCamera)
	opened := cam.opened.Load()

	// Who watches has the stream too, and nothing is recorded.
	r, err := n.Watch(t.Context(), "gate")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, r, 10000); err != nil {
		t.Fatal(err)
	}
	r.Close()
	until(t, "it is idle when nobody watches", func() bool { return status(t, n, "gate").State == StateIdle })
	if now := segments(t, n, "gate"); len(now) != len(list) {
		t.Errorf("watching recorded: %+v", now)
	}
	if got := cam.opened.Load(); got != opened+1 {
		t.Errorf("asked %d times for one watcher", got-opened)
	}
	// For a time.
	if err := n.StartRecording("gate", 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	recording(t, n, "gate", ForRequest)
	recording(t, n, "gate", "")
}

// One event records the camera's other stream too, and nothing else.
func TestEventsOf(t *testing.T) {
	cam := endless(t)
	url := cam.serve(t)
	high := RecordConfig{When: RecordEvents, PreRoll: time.Second, PostRoll: 100 * time.Millisecond, EventsOf: []string{"gate"}}
	n := open(t, Options{Timing: eventTiming()}, CameraConfig{Name: "gate", URL: url}, CameraConfig{Name: "gate-high", URL: url, Record: high},
		CameraConfig{Name: "yard", URL: url, Record: RecordConfig{When: RecordEvents, PostRoll: 100 * time.Millisecond}})
	until(t, "both are live", func() bool {
		return status(t, n, "gate").State == StateLive && status(t, n, "gate-high").State == StateLive
	})
	sub := n.Subscribe()
	defer sub.Close()
	if err := n.BeginEvent("gate", EventMotion); err != nil {
		t.Fatal(err)
	}
	recording(t, n, "gate-high", ForEvent)
	if s := status(t, n, "yard"); s.Recording != "" {
		t.Errorf("yard is recorded for %s", s.Recording)
	}
	until(t, "it is recorded", func() bool { return len(segments(t, n, "gate-high")) > 0 })
	if err := n.EndEvent("gate", EventMotion); err != nil {
		t.Fatal(err)
	}
	recording(t, n, "gate-high", "")
	if s := status(t, n, "gate"); s.Recording != ForAlways {
		t.Errorf("gate is recorded for %q", s.Recording)
	}
	seen := map[string]bool{}
	for len(sub.C) > 0 {
		e := <-sub.C
		seen[e.Type+" "+e.Camera] = true
	}
	for _, want := range []string{"event gate", "record.state gate-high"} {
		if !seen[want] {
			t.Errorf("no event %q in %v", want, seen)
		}
	}
}

// When a camera is recorded changes without a break of its stream.
func TestRecordChangesInMidStream(t *testing.T) {
	cam := endless(t)
	url := cam.serve(t)
	n := open(t, Options{Timing: eventTiming()}, CameraConfig{Name: "gate", URL: url})
	until(t, "it is recorded", func() bool { return len(segments(t, n, "gate")) > 0 })
	events := RecordConfig{When: RecordEvents, PreRoll: time.Second}
	if err := n.SetCamera(CameraConfig{Name: "gate", URL: url, Record: events}); err != nil {
		t.Fatal(err)
	}
	recording(t, n, "gate", "")
	until(t, "the segment is complete", func() bool { return !segments(t, n, "gate")[0].Open })
	if err := n.SetCamera(CameraConfig{Name: "gate", URL: url}); err != nil {
		t.Fatal(err)
	}
	recording(t, n, "gate", ForAlways)
	until(t, "it is recorded again", func() bool { return len(segments(t, n, "gate")) > 1 })
	if got := cam.opened.Load(); got != 1 {
		t.Errorf("asked %d times", got)
	}
	exact(t, n, "gate", recorder.CauseConfig, recorder.CauseCamera, recorder.CauseLink)
}

// Where the camera is away the ledger says so only while it is wanted.
func TestLedgerOfAnAbsentCamera(t *testing.T) {
	n := open(t, Options{Timing: eventTiming()}, CameraConfig{Name: "gate", URL: (&fakeCamera{status: 404}).serve(t),
		Record: RecordConfig{When: RecordEvents, PreRoll: time.Second, PostRoll: 100 * time.Millisecond}})
	until(t, "attempts fail", func() bool { return status(t, n, "gate").Attempts > 2 })
	if err := n.Trigger("gate", "bell", 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	recording(t, n, "gate", ForEvent)
	recording(t, n, "gate", "")
	exact(t, n, "gate", recorder.CauseConfig, recorder.CauseCamera, recorder.CauseLink)
	list := gaps(t, n, "gate")
	var causes []recorder.Cause
	for _, g := range list {
		causes = append(causes, g.Cause)
	}
	if len(causes) < 3 || causes[0] != recorder.CauseConfig || causes[1] != recorder.CauseCamera || causes[len(causes)-1] != recorder.CauseConfig {
		t.Errorf("gaps %v", causes)
	}
}

func TestTriggerMistakes(t *testing.T) {
	n := open(t, Options{}, CameraConfig{Name: "gate", URL: (&fakeCamera{status: 404}).serve(t), Record: RecordConfig{When: RecordEvents}})
	for _, c := range []struct {
		err  error
		code session.Code
	}{
		{n.Trigger("nobody", "bell", 0), session.NoService},
		{n.Trigger("gate", "", 0), session.BadArgument},
		{n.Trigger("gate", string(make([]byte, maxKind+1)), 0), session.BadArgument},
		{n.Trigger("gate", "bell", -1), session.BadArgument},
		{n.Trigger("gate", "bell", 2*openEvent), session.BadArgument},
		{n.StartRecording("nobody", 0), session.NoService},
		{n.StartRecording("gate", -1), session.BadArgument},
		{n.StopRecording("nobody"), session.NoService},
	} {
		if !isCode(c.err, c.code) {
			t.Errorf("%v, want code %d", c.err, c.code)
		}
	}
}
