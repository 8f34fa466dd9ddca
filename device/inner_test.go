// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Whatever a command says, the answer is JSON with a status of the reference, and the
// device goes on.
func FuzzInnerCommand(f *testing.F) {
	d, err := New(Config{Product: "P", Name: "D", Channels: []Channel{{Source: newFeed(), Archive: recordings()}}, Speaker: &ear{sound: alaw}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { d.Close() })
	p := newPlayback(recordings(), recordedAt, recordedAt.Add(time.Hour))
	leave, _ := d.playing.enter(playKey{"me", 0}, p)
	f.Cleanup(func() {
		leave()
		(&player{playback: p, cursor: &memCursor{}}).close()
	})
	for cmd := range innerCommands {
		f.Add("cmd=" + cmd + "&channel=0&type=live&time=202601&" + interval(0, 60))
	}
	f.Add(fmt.Sprintf("cmd=playback_seek&time=%d.5", recordedAt.Unix()+1))
	f.Add("cmd=playback_seek&progress=1000")
	f.Add("cmd=playback_speed&speed=0.5")
	f.Fuzz(func(t *testing.T, command string) {
		r := httptest.NewRequest("POST", "/command", strings.NewReader("action=inner_define&"+command))
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r.WithContext(WithPeer(r.Context(), Peer{ID: "me"})))
		switch w.Code {
		case 200, 404, 406, 413:
		default:
			t.Errorf("%q: %d %s", command, w.Code, w.Body)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%q: %s", command, w.Body)
		}
	})
}
