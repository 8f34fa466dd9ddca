// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/xp2p/xp2p/grant"
)

// recordSpan is one stretch in the reply to get_record_index.
type recordSpan struct {
	Type  int    `json:"type"`
	Start string `json:"start_time"`
	End   string `json:"end_time"`
}

// recordIndex is the reply to get_record_index.
type recordIndex struct {
	List []recordSpan `json:"video_list"`
}

// monthRecord is the reply to get_month_record: bit n-1 is set when day n has
// recordings.
type monthRecord struct {
	List string `json:"video_list"`
}

// fileEntry is one file in the reply to get_file_list.
type fileEntry struct {
	Type  string `json:"file_type"`
	Name  string `json:"file_name"`
	Size  string `json:"file_size"`
	Start string `json:"start_time"`
	End   string `json:"end_time"`
}

// fileList is the reply to get_file_list.
type fileList struct {
	List []fileEntry `json:"file_list"`
}

const (
	// maxEntries bounds a list, to about 200 KiB: what is behind it is asked for from
	// the last entry's end on.
	maxEntries = 1500
	// spanGap is the longest hole between two files that are listed as one stretch.
	spanGap = 2 * time.Second
	// recordingsPage is how many recordings are asked for at once.
	recordingsPage = 500
)

// archiveOf finds the archive that a command asks, or refuses it. A list of
// recordings says when something happened, so it needs a right of its own.
func (d *Device) archiveOf(w http.ResponseWriter, r *innerRequest) Archive {
	channel, err := d.channel(r.param("channel"))
	switch {
	case err != nil:
		refuse(w, statusNotFound, err.Error())
	case !r.peer.allows(grant.Playback) && !r.peer.allows(grant.Download):
		refuse(w, statusForbidden, "the xp2pInfo allows neither playback nor downloads")
	case d.all()[channel].Archive == nil:
		refuse(w, statusUnsupported, noArchive)
	default:
		return d.all()[channel].Archive
	}
	return nil
}

// recordings calls f for what a command asks for, an interval and a type if that is
// given, until f has enough. ok is false when the command was refused.
func (d *Device) recordings(w http.ResponseWriter, r *innerRequest, typeParam string, f func(Recording) (more bool)) (ok bool) {
	a := d.archiveOf(w, r)
	if a == nil {
		return false
	}
	from, to, err := intervalParams(r.param, 0)
	if err != nil {
		refuse(w, statusNotFound, err.Error())
		return false
	}
	typ, any := 0, r.param(typeParam) == ""
	if !any {
		if typ, err = strconv.Atoi(r.param(typeParam)); err != nil {
			refuse(w, statusNotFound, fmt.Sprintf("%s %q is not a number", typeParam, r.param(typeParam)))
			return false
		}
	}
	err = eachRecording(r.Context(), a, from, to, func(rec Recording) bool {
		return !any && rec.Type != typ || f(rec)
	})
	if err != nil {
		refuseArchive(w, err)
		return false
	}
	return true
}

// eachRecording goes through an archive page by page, so that a long list is never
// in memory at once.
func eachRecording(ctx context.Context, a Archive, from, to time.Time, f func(Recording) (more bool)) error {
	for {
		page, err := a.Recordings(ctx, from, to, recordingsPage)
		if err != nil {
			return err
		}
		next := from
		for _, rec := range page {
			if rec.End.After(next) {
				next = rec.End
			}
			if !f(rec) {
				return nil
			}
		}
		if len(page) < recordingsPage || !next.After(from) {
			return nil
		}
		from = next
	}
}

func (d *Device) recordIndex(w http.ResponseWriter, r *innerRequest) {
	spans := []recordSpan{}
	var last Recording // of the span that is being put together
	begun := false
	end := func() {
		if begun {
			spans = append(spans, recordSpan{last.Type, unix(last.Start), unix(last.End)})
		}
	}
	ok := d.recordings(w, r, "type", func(rec Recording) bool {
		if begun && rec.Type == last.Type && rec.Start.Sub(last.End) <= spanGap {
			if rec.End.After(last.End) {
				last.End = rec.End
			}
			return true
		}
		end()
		last, begun = rec, len(spans) < maxEntries
		return begun
	})
	if !ok {
		return
	}
	end()
	reply(w, recordIndex{spans})
}

func (d *Device) fileList(w http.ResponseWriter, r *innerRequest) {
	files := []fileEntry{}
	ok := d.recordings(w, r, "file_type", func(f Recording) bool {
		files = append(files, fileEntry{strconv.Itoa(f.Type), f.Name, strconv.FormatInt(f.Size, 10), unix(f.Start), unix(f.End)})
		return len(files) < maxEntries
	})
	if ok {
		reply(w, fileList{files})
	}
}

func (d *Device) monthRecord(w http.ResponseWriter, r *innerRequest) {
	a := d.archiveOf(w, r)
	if a == nil {
		return
	}
	first, err := monthParam(r.param("time"))
	if err != nil {
		refuse(w, statusNotFound, err.Error())
		return
	}
	var days uint32
	for day := first; day.Month() == first.Month(); day = day.AddDate(0, 0, 1) {
		some, err := a.Any(r.Context(), day, day.AddDate(0, 0, 1))
		if err != nil {
			refuseArchive(w, err)
			return
		}
		if some {
			days |= 1 << (day.Day() - 1)
		}
	}
	reply(w, monthRecord{strconv.FormatUint(uint64(days), 10)})
}

// monthParam reads yyyymm as the begin of that month in the device's time zone.
func monthParam(s string) (time.Time, error) {
	n, err := strconv.Atoi(s)
	if err == nil && (len(s) != 6 || n < 0) {
		err = errors.New("six digits are needed")
	}
	if month := n % 100; err != nil || month < 1 || month > 12 {
		return time.Time{}, fmt.Errorf("time %q is not a month as yyyymm", s)
	}
	return time.Date(n/100, time.Month(n%100), 1, 0, 0, 0, 0, time.Local), nil
}

// unix is a time as the replies give it, in whole Unix seconds.
func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
