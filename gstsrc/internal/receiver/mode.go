// SPDX-License-Identifier: LGPL-2.1-or-later

package receiver

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/xp2p/xp2p/demux/flv"
)

// Mode is what kind of stream a Receiver receives.
type Mode int

const (
	Live     Mode = iota
	Playback      // FLV of recordings; can be sought by wall-clock time, paused and sped up
	Download      // a file's bytes as they are; can be sought by bytes
)

// LeastPlayback is the shortest interval that a camera plays (reference/xp2p.md §3).
const LeastPlayback = 5 * time.Second

// ParseParams finds the mode of a stream by the query of its request, and the
// interval of a Playback. Its errors say what is missing.
func ParseParams(query string) (m Mode, start, end time.Time, err error) {
	switch action := param(query, "action", "live"); action {
	case "playback", "playback-audio":
		if start, err = unixParam(query, "start_time"); err != nil {
			return m, start, end, err
		}
		if end, err = unixParam(query, "end_time"); err != nil {
			return m, start, end, err
		}
		if d := end.Sub(start); d < LeastPlayback {
			return m, start, end, fmt.Errorf("end_time is %v behind start_time: a playback has at least %v", d, LeastPlayback)
		}
		return Playback, start, end, nil
	case "download":
		if param(query, "file_name", "") == "" {
			return m, start, end, errors.New("a download needs file_name=, one that the command get_file_list lists")
		}
		return Download, start, end, nil
	}
	return Live, start, end, nil
}

// maxUnix bounds a time in Unix seconds: the year 2255.
const maxUnix = 9_000_000_000

func unixParam(query, key string) (time.Time, error) {
	s := param(query, key, "")
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxUnix {
		return time.Time{}, fmt.Errorf("%s=%.40s: a playback needs start_time= and end_time= in Unix seconds", key, s)
	}
	return time.Unix(n, 0), nil
}

// place is where in its recordings or file a receiver is. It belongs to the
// goroutine that calls Next.
type place struct {
	offset int64 // of a Download, in bytes

	// Of a Playback: what comes next was recorded at wall; the chunk at since had
	// position, and one that should have one and has none has assumed.
	wall     time.Time
	position flv.Position
	since    time.Duration
	assumed  flv.Position
	speed    float64 // that was asked for
}

// over says that nothing is left to ask for.
func (r *Receiver) over() bool { return r.opts.Mode == Playback && !r.at.wall.Before(r.opts.End) }

// request is the query of the next request: Options.Params for what is still to come.
func (r *Receiver) request() string {
	switch r.opts.Mode {
	case Playback:
		q := withParam(r.opts.Params, "start_time", strconv.FormatInt(r.begin().Unix(), 10))
		return withParam(q, "end_time", strconv.FormatInt(r.opts.End.Unix(), 10))
	case Download:
		return withParam(r.opts.Params, "offset", strconv.FormatInt(r.at.offset, 10))
	}
	return r.opts.Params
}

// begin is when the next request of a Playback begins: at the place, and so far
// from the end that a camera accepts it.
func (r *Receiver) begin() time.Time {
	at := r.at.wall.Truncate(time.Second)
	if latest := r.opts.End.Add(-LeastPlayback); at.After(latest) {
		at = latest
	}
	if at.Before(r.opts.Start) {
		at = r.opts.Start
	}
	return at
}

// moved follows what is given out, so that a broken connection goes on there.
func (r *Receiver) moved(c *Chunk) {
	switch r.opts.Mode {
	case Playback:
		if c.Position == nil && c.Restart {
			p := r.at.assumed // a camera that does not say where its playback is
			c.Position = &p
		}
		if c.Position == nil && r.at.position.Time.IsZero() {
			return // nothing of this connection has a place yet
		}
		if c.Position != nil {
			r.at.position, r.at.since = *c.Position, c.Time
		}
		r.at.wall = r.at.position.Time.Add(time.Duration(float64(c.Time-r.at.since) * r.at.position.Speed))
		r.at.assumed = flv.Position{Time: r.at.wall, Speed: 1}
	case Download:
		r.at.offset = c.Offset + int64(c.Size)
	}
}

// withParam is query with key set to value, in its place or at the end.
func withParam(query, key, value string) string {
	fields := strings.Split(query, "&")
	out, found := fields[:0], false
	for _, f := range fields {
		switch k, _, _ := strings.Cut(f, "="); {
		case f == "" || k == key && found:
			continue
		case k == key:
			f, found = key+"="+value, true
		}
		out = append(out, f)
	}
	if !found {
		out = append(out, key+"="+value)
	}
	return strings.Join(out, "&")
}

// param is what query says of key, or otherwise.
func param(query, key, otherwise string) string {
	for f := range strings.SplitSeq(query, "&") {
		if k, v, _ := strings.Cut(f, "="); k == key && v != "" {
			return v
		}
	}
	return otherwise
}
