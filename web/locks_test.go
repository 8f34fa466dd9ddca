// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/recorder"
)

// A lock is made, is in the list, and is taken back, once.
func TestLocks(t *testing.T) {
	a, _, end := recorded(t, time.Minute, take{kind: testmedia.H264, seconds: 4, options: testmedia.Options{GOP: 25}})
	end()
	s := start(t, Config{Recordings: a})
	const path = "/api/v1/cameras/gate/locks"
	do := func(request, body string, status int, say string) []byte {
		t.Helper()
		method, path, _ := strings.Cut(request, " ")
		res := s.request(method, path, strings.NewReader(body), nil)
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != status || !strings.Contains(string(b), say) {
			t.Errorf("%s %s: %s %s (%v), want %d and %q", request, body, res.Status, b, err, status, say)
		}
		return b
	}
	list := func() (l []recorder.Lock) {
		t.Helper()
		s.ask(&l, path)
		return l
	}
	if got := list(); got == nil || len(got) != 0 {
		t.Errorf("before there is any: %v", got)
	}
	var l recorder.Lock
	b := do("POST "+path, fmt.Sprintf(`{"from":%d,"to":%q,"note":"evidence"}`, dawn.Unix(), dawn.Add(time.Minute).Format(time.RFC3339)), 201, `"note":"evidence"`)
	if err := json.Unmarshal(b, &l); err != nil || l.ID == "" {
		t.Fatalf("%s: %v", b, err)
	}
	if got := list(); len(got) != 1 || got[0].ID != l.ID || !got[0].To.Equal(l.To) || got[0].Camera != "gate" {
		t.Errorf("%+v, want %+v", got, l)
	}
	do("DELETE /api/v1/locks/"+l.ID, "", 204, "")
	do("DELETE /api/v1/locks/"+l.ID, "", 404, "no such lock")
	do("POST "+path, `{"from":2,"to":1}`, 400, "not behind")
	do("POST "+path, `{"from":2}`, 400, "needs from and to")
	do("POST "+path, `{"from":1,"to":2,"note":"`+strings.Repeat("x", recorder.MaxLockNote+1)+`"}`, 400, "at most 1000")
	do("POST /api/v1/cameras/yard/locks", `{"from":1,"to":2}`, 404, "-2403")
	do("GET /api/v1/cameras/yard/locks", "", 404, "-2403")
	if got := list(); len(got) != 0 {
		t.Errorf("left: %+v", got)
	}
}
