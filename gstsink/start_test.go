// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsink

import (
	"strings"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
)

// mute is a source of sound behind a valve that is shut.
const mute = "audiotestsrc %s samplesperbuffer=160 ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! valve drop=true drop-mode=drop-all"

// A call whose sound does not come says so and ends, whether or not its sources are live;
// without pictures, that nothing comes is worth a warning.
func TestNoSound(t *testing.T) {
	for _, tt := range []struct {
		name, sound, video string
		ends               bool
		text               []string
	}{
		{"a live call", "is-live=true", liveVideo, true, []string{"no sound for 50ms", "needs both", "start-timeout"}},
		{"a call of files", "", pictures(500, 64), true, []string{"no sound for 50ms", "needs both", "start-timeout"}},
		{"few pictures", "", pictures(2, 64), true, []string{"no sound for 50ms", "needs both", "start-timeout"}},
		{"live sound", "is-live=true", "", false, []string{"No sound has come for 50ms", "in front of the pad sink"}},
		{"a file's sound", "", "", false, []string{"No sound has come for 50ms", "in front of the pad sink"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &camera{takes: alaw}
			c.use(t)
			video := ""
			if tt.video != "" {
				video = tt.video + " ! sink.video"
			}
			p := launch(t, "xp2psink name=sink sync=false start-timeout=50 "+mute+" name=valve ! sink. %s", tt.sound, video)
			p.set(gst.StatePlaying)
			kind := gst.MessageWarning
			if tt.ends {
				kind = gst.MessageError
			}
			m := p.wait(gst.MessageError | gst.MessageEOS | kind)
			if m.Type() != kind {
				t.Fatalf("%v instead of %v", m.Type(), kind)
			}
			var text string
			if tt.ends {
				text = m.ParseError().Error()
			} else {
				text = m.ParseWarning().Error()
			}
			for _, want := range tt.text {
				if !strings.Contains(text, want) {
					t.Errorf("%q has no %q", text, want)
				}
			}
			if c.dialled() != 0 {
				t.Error("the camera was called")
			}
			if !tt.ends { // and waits on
				valve, err := p.GetElementByName("valve")
				if err != nil {
					t.Fatal(err)
				}
				valve.Set("drop", false)
				until(t, "talking", func() bool { return c.talks() == 1 && len(c.heard(0)) > 0 })
			}
			p.set(gst.StateNull)
		})
	}
}

// Sound that waits in a preroll is there, however long the pause is.
func TestSoundWaitsInPreroll(t *testing.T) {
	c := &camera{takes: alaw}
	c.use(t)
	for name, line := range map[string]string{
		"a buffer": call1,
		"its end":  "fakesrc num-buffers=0 ! audio/x-alaw,rate=8000,channels=1 ! xp2psink name=sink start-timeout=1000",
	} {
		t.Run(name, func(t *testing.T) {
			p := launch(t, "%s", line)
			p.settled(gst.StatePaused)
			if m := p.GetPipelineBus().TimedPopFiltered(gst.ClockTime(1500*time.Millisecond), gst.MessageWarning|gst.MessageError); m != nil {
				t.Errorf("said %v", m)
			}
			p.set(gst.StatePlaying)
			p.end()
			p.set(gst.StateNull)
		})
	}
}

// call1 is a second's call that waits for its start no longer than a second.
var call1 = tone(8000, 1) + " ! xp2psink name=sink start-timeout=1000 " + pictures(25, 64) + " ! sink.video"
