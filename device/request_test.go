// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/grant"
)

// ask sends one request and gives status and body.
func ask(t *testing.T, method, target, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("%s %.80s: %v", method, target, err)
	}
	return res.StatusCode, strings.TrimSpace(string(b))
}

// inner asks an inner command.
func inner(t *testing.T, url, command string) (int, string) {
	t.Helper()
	return ask(t, "POST", url+"/command", "action=inner_define&"+command)
}

// interval are the parameters of a time from recordedAt on, in seconds.
func interval(from, to int64) string {
	return fmt.Sprintf("start_time=%d&end_time=%d", recordedAt.Unix()+from, recordedAt.Unix()+to)
}

func recordings() *memArchive {
	a := new(memArchive).add(0, 50, true)
	a.files = map[string][]byte{"a.mp4": bytes.Repeat([]byte("0123456789"), 100_000), "b.mp4": []byte("b")}
	at := func(s int) time.Time { return recordedAt.Add(time.Duration(s) * time.Second) }
	a.list = []Recording{
		{Name: "a.mp4", Start: at(0), End: at(60), Size: 1_000_000},
		{Name: "b.mp4", Start: at(60), End: at(100), Size: 1},
		{Name: "c.mp4", Start: at(3000), End: at(3060), Size: 7, Type: 2},
	}
	return a
}

// What is wrong with a request is said with the status of the reference, and the
// device goes on.
func TestBadRequests(t *testing.T) {
	f := newFeed()
	f.fail = errors.New("lens cap is on")
	_, srv := start(t, Config{Channels: []Channel{{Source: f, Archive: recordings()}, {Source: f}}, Speaker: &ear{sound: alaw}})
	playback := "/ipc.flv?action=playback&"
	for _, tt := range []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"GET", playback + interval(0, 4), "", 404, "apart"},
		{"GET", playback + interval(10, 0), "", 404, "not after"},
		{"GET", playback + interval(0, 0), "", 404, "not after"},
		{"GET", playback + "start_time=1", "", 404, "end_time is missing"},
		{"GET", playback + "start_time=x&end_time=9", "", 404, "Unix seconds"},
		{"GET", playback + "start_time=NaN&end_time=Inf", "", 404, "Unix seconds"},
		{"GET", playback + "start_time=-5&end_time=9", "", 404, "Unix seconds"},
		{"GET", playback + interval(100, 200), "", 404, "no such recording"},
		{"GET", playback + interval(-200, -100), "", 404, "nothing was recorded"},
		{"GET", playback + interval(0, 60) + "&channel=1", "", 406, "no recordings"},
		{"GET", playback + interval(0, 60) + "&channel=2", "", 404, "channel 2"},
		{"GET", playback + interval(0, 60) + "&requester=" + strings.Repeat("x", 65), "", 404, "requester has 65 bytes"},
		{"GET", playback + interval(0, 60) + "&user_args=" + strings.Repeat("x", 1025), "", 404, "user_args has 1025 bytes"},
		{"GET", "/ipc.flv?action=playback-mjpg&" + interval(0, 60), "", 406, "JPEG"},
		{"GET", "/ipc.flv?action=live-mjpg", "", 406, "JPEG"},
		{"GET", "/ipc.flv?action=download&file_name=../../etc/passwd", "", 404, "no such recording"},
		{"GET", "/ipc.flv?action=download&file_name=..%2fa.mp4", "", 404, "no such recording"},
		{"GET", "/ipc.flv?action=download", "", 404, "file_name"},
		{"GET", "/ipc.flv?action=download&file_name=" + strings.Repeat("x", 256), "", 404, "file_name"},
		{"GET", "/ipc.flv?action=download&file_name=a.mp4&offset=-1", "", 404, "offset"},
		{"GET", "/ipc.flv?action=download&file_name=a.mp4&offset=x", "", 404, "offset"},
		{"GET", "/ipc.flv?action=download&file_name=a.mp4&offset=1000001", "", 416, "behind the end"},
		{"GET", "/ipc.flv?action=download&file_name=a.mp4&channel=1", "", 406, "no recordings"},
		{"GET", "/voice", "", 404, "no such request"},
		{"POST", "/voice?channel=9", "", 404, "channel 9"},
		{"POST", "/voice?%zz", "", 404, "parameters"},
		{"GET", "/events?%zz", "", 404, "parameters"},
		{"POST", "/events?id=1", "x", 404, "no message"},
		{"POST", "/events?id=1", strings.Repeat("x", MaxMessage+1), 413, "longer"},
	} {
		status, b := ask(t, tt.method, srv.URL+tt.path, tt.body)
		var r refusal
		if err := json.Unmarshal([]byte(b), &r); err != nil || status != tt.status || r.Status != fmt.Sprint(status) || !strings.Contains(r.Error, tt.text) {
			t.Errorf("%s %.100s: %d %s", tt.method, tt.path, status, b)
		}
	}
	for _, tt := range []struct {
		command string
		status  int
		text    string
	}{
		{"cmd=playback_pause", 404, "no playback"},
		{"cmd=playback_seek&time=1", 404, "no playback"},
		{"cmd=playback_speed&speed=2&channel=3", 404, "channel 3"},
		{"cmd=get_record_index", 404, "start_time is missing"},
		{"cmd=get_record_index&" + interval(5, 5), 404, "not after"},
		{"cmd=get_record_index&" + interval(0, 5) + "&type=x", 404, "type"},
		{"cmd=get_record_index&" + interval(0, 5) + "&channel=1", 406, "no recordings"},
		{"cmd=get_month_record&time=2026", 404, "yyyymm"},
		{"cmd=get_month_record&time=202613", 404, "yyyymm"},
		{"cmd=get_month_record&time=-20261", 404, "yyyymm"},
		{"cmd=get_file_list&" + interval(0, 5) + "&file_type=x", 404, "file_type"},
		{"cmd=force_key_frame", 406, "key frame"},
		{"cmd=dance", 406, "dance"},
		{"cmd=get_nvr_list&requester=" + strings.Repeat("x", 65), 404, "requester"},
	} {
		status, b := inner(t, srv.URL, tt.command)
		var r refusal
		if err := json.Unmarshal([]byte(b), &r); err != nil || status != tt.status || r.Status != fmt.Sprint(status) || !strings.Contains(r.Error, tt.text) {
			t.Errorf("%.100s: %d %s", tt.command, status, b)
		}
	}
}

// The replies have exactly the forms of reference/xp2p.md §4.
func TestInnerCommands(t *testing.T) {
	f := newFeed()
	a := recordings()
	_, srv := start(t, Config{
		Channels: []Channel{{Name: "door", Source: f, Archive: a}, {Name: "yard", Source: f}},
		Speaker:  &ear{sound: alaw},
	})
	abs := func(s int64) int64 { return recordedAt.Unix() + s }
	day := recordedAt.Local().Day()
	for _, tt := range []struct{ command, want string }{
		{"cmd=get_device_st&channel=0&type=live&quality=high", `[{"status":"0","appConnectNum":"0"}]`},
		{"cmd=get_device_st&type=playback", `[{"status":"0","appConnectNum":"0"}]`},
		{"cmd=get_device_st&type=playback&channel=1", `[{"status":"406","appConnectNum":"0"}]`},
		{"cmd=get_device_st&type=voice", `[{"status":"0","appConnectNum":"0"}]`},
		{"cmd=get_device_st&type=dance", `[{"status":"404","appConnectNum":"0"}]`},
		{"cmd=get_nvr_list", `[{"DeviceName":"door","Channel":"0","Online":"0"},{"DeviceName":"yard","Channel":"1","Online":"0"}]`},
		{"cmd=get_record_index&" + interval(0, 4000), fmt.Sprintf(`{"video_list":[{"type":0,"start_time":"%d","end_time":"%d"},{"type":2,"start_time":"%d","end_time":"%d"}]}`,
			abs(0), abs(100), abs(3000), abs(3060))},
		{"cmd=get_record_index&type=2&" + interval(0, 4000), fmt.Sprintf(`{"video_list":[{"type":2,"start_time":"%d","end_time":"%d"}]}`, abs(3000), abs(3060))},
		{"cmd=get_record_index&" + interval(5000, 6000), `{"video_list":[]}`},
		{"cmd=get_month_record&time=" + recordedAt.Local().Format("200601"), fmt.Sprintf(`{"video_list":"%d"}`, 1<<(day-1))},
		{"cmd=get_month_record&time=199912", `{"video_list":"0"}`},
		{"cmd=get_file_list&" + interval(50, 70), fmt.Sprintf(`{"file_list":[{"file_type":"0","file_name":"a.mp4","file_size":"1000000","start_time":"%d","end_time":"%d"},`+
			`{"file_type":"0","file_name":"b.mp4","file_size":"1","start_time":"%d","end_time":"%d"}]}`, abs(0), abs(60), abs(60), abs(100))},
		{"cmd=get_file_list&" + interval(5000, 6000), `{"file_list":[]}`},
	} {
		if status, b := inner(t, srv.URL, tt.command); status != 200 || b != tt.want {
			t.Errorf("%s: %d\n%s, want\n%s", tt.command, status, b, tt.want)
		}
	}
	a.err = errors.New("the card was pulled out")
	for _, c := range []string{"cmd=get_file_list&" + interval(0, 60), "cmd=get_month_record&time=202601"} {
		if status, b := inner(t, srv.URL, c); status != 503 || !strings.Contains(b, "card") {
			t.Errorf("%s: %d %s", c, status, b)
		}
	}
}

// A list of any length is made page by page, and has an end.
func TestLongLists(t *testing.T) {
	const n = 3 * maxEntries
	a := &memArchive{}
	for i := range n {
		at := recordedAt.Add(time.Duration(i) * time.Minute)
		a.list = append(a.list, Recording{Name: fmt.Sprint(i), Start: at, End: at.Add(time.Minute - time.Duration(i%7/6)*10*time.Second), Type: i % 2})
	}
	_, srv := start(t, Config{Channels: []Channel{{Source: newFeed(), Archive: a}}})
	all := "&start_time=0&end_time=99999999999"
	var files struct {
		List []struct {
			Name string `json:"file_name"`
		} `json:"file_list"`
	}
	_, b := inner(t, srv.URL, "cmd=get_file_list&file_type=1"+all)
	if err := json.Unmarshal([]byte(b), &files); err != nil || len(files.List) != maxEntries || len(b) > 256<<10 {
		t.Fatalf("%d files in %d bytes, %v", len(files.List), len(b), err)
	}
	for i, f := range files.List {
		if f.Name != fmt.Sprint(2*i+1) {
			t.Fatalf("file %d is %s", i, f.Name)
		}
	}
	for i := range a.list {
		a.list[i].Type = 0
	}
	var index struct {
		List []struct {
			Start string `json:"start_time"`
		} `json:"video_list"`
	}
	_, b = inner(t, srv.URL, "cmd=get_record_index"+all)
	if err := json.Unmarshal([]byte(b), &index); err != nil || len(index.List) != n/7+1 { // every seventh ends early
		t.Fatalf("%d stretches, %v", len(index.List), err)
	}
}

func TestMonthParamGivesEveryDay(t *testing.T) {
	for s, days := range map[string]int{"202402": 29, "202502": 28, "202601": 31, "999912": 31} {
		first, err := monthParam(s)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for day := first; day.Month() == first.Month(); day = day.AddDate(0, 0, 1) {
			if n++; day.Day() != n {
				t.Errorf("%s: day %d is %v", s, n, day)
			}
		}
		if n != days {
			t.Errorf("%s has %d days", s, n)
		}
	}
}

// Every request needs its right.
func TestEveryRightIsEnforced(t *testing.T) {
	d, _ := start(t, Config{Channels: []Channel{{Source: newFeed(), Archive: recordings()}}, Speaker: &ear{sound: alaw}})
	without := func(not ...grant.Right) *grant.Grant {
		g := &grant.Grant{}
		for _, r := range grant.AllRights {
			keep := true
			for _, n := range not {
				keep = keep && r != n
			}
			if keep {
				g.Rights = append(g.Rights, r)
			}
		}
		return g
	}
	lists := "/command?action=inner_define&" + interval(0, 60) + "&time=202601&cmd="
	for _, tt := range []struct {
		method, path string
		grant        *grant.Grant
		status       int
	}{
		{"GET", "/ipc.flv?action=live-audio", without(grant.Live), 403},
		{"GET", "/ipc.flv?action=live-mjpg", without(grant.Live), 403},
		{"GET", "/ipc.flv?action=playback&" + interval(0, 60), without(grant.Playback), 403},
		{"GET", "/ipc.flv?action=playback-audio&" + interval(0, 60), without(grant.Playback), 403},
		{"GET", "/ipc.flv?action=playback-mjpg&" + interval(0, 60), without(grant.Playback), 403},
		{"GET", "/ipc.flv?action=download&file_name=b.mp4", without(grant.Download), 403},
		{"GET", "/ipc.flv?action=download&file_name=b.mp4", without(grant.Playback), 200},
		{"POST", "/voice", without(grant.Voice), 403},
		{"GET", lists + "get_file_list", without(grant.Playback), 200},
		{"GET", lists + "get_file_list", without(grant.Playback, grant.Download), 403},
		{"GET", lists + "get_record_index", without(grant.Playback, grant.Download), 403},
		{"GET", lists + "get_month_record", without(grant.Playback, grant.Download), 403},
		{"GET", lists + "get_month_record", without(grant.Command), 403},
	} {
		r := httptest.NewRequest(tt.method, tt.path, nil)
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r.WithContext(WithPeer(r.Context(), Peer{ID: "x", Grant: tt.grant})))
		if w.Code != tt.status {
			t.Errorf("%s %s with %v: %d, want %d", tt.method, tt.path, tt.grant.Rights, w.Code, tt.status)
		}
	}
	for typ, right := range map[string]grant.Right{"live": grant.Live, "playback": grant.Playback, "voice": grant.Voice} {
		r := httptest.NewRequest("GET", "/command?action=inner_define&cmd=get_device_st&type="+typ, nil)
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r.WithContext(WithPeer(r.Context(), Peer{ID: "x", Grant: without(right)})))
		if !strings.Contains(w.Body.String(), `"status":"1"`) {
			t.Errorf("state of %s without its right: %s", typ, w.Body)
		}
	}
}

// requester and user_args reach the handlers.
type whoAsks struct{ got chan Peer }

func (h whoAsks) Command(ctx context.Context, _ string) ([]byte, error) {
	h.got <- PeerFrom(ctx)
	return []byte("ok"), nil
}

func TestRequesterReachesHandlers(t *testing.T) {
	h := whoAsks{make(chan Peer, 1)}
	_, srv := start(t, Config{Channels: []Channel{{Source: newFeed()}}, Commands: h})
	args := strings.Repeat("é", 512)
	if status, b := ask(t, "POST", srv.URL+"/command", "action=user_define&cmd=x&requester=app&user_args="+url.QueryEscape(args)); status != 200 {
		t.Fatalf("%d %s", status, b)
	}
	if p := <-h.got; p.Requester != "app" || p.UserArgs != args || p.ID == "" {
		t.Errorf("%+v", p)
	}
}
