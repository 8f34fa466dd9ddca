// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"context"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

const (
	// maxPlaylist is the longest stretch of one playlist: a day, also the longest of a year.
	maxPlaylist = 25 * time.Hour
	// timelineStart is where a playlist's clock begins: not at 0, so that sound that is
	// stored a little before its picture has a place.
	timelineStart = 10 * 90000
	// liveTarget is the least EXT-X-TARGETDURATION of a playlist that grows, in seconds: it
	// must not change, and pieces are no longer where key pictures come each 4 s.
	liveTarget = 8
	// maxScanned is how many files without a table of key pictures a playlist reads.
	maxScanned = 1500
)

// share is a file's share in a playlist.
type share struct {
	seg    *recorder.Segment
	pieces []piece
	shift  int64 // from media time in the file to the playlist's clock, 1/90000 s
	broken bool  // it does not go on where the share before it ended
}

// timeline is the pieces of a playlist, on one clock without holes: time that was not
// recorded is left out.
type timeline struct {
	shares []share
	live   bool // it may grow
	from   time.Time
}

// timeline puts together what is recorded of a camera from from to to (zero: until now,
// and on).
func (s *Server) timeline(ctx context.Context, camera string, from, to time.Time) (*timeline, error) {
	now := time.Now()
	if end := from.Add(maxPlaylist); to.IsZero() || to.After(end) {
		to = end
	}
	segs, err := s.cfg.Recordings.List(ctx, camera, from, to)
	if err != nil {
		return nil, err
	}
	t := &timeline{live: to.After(now), from: from, shares: make([]share, 0, len(segs))}
	var all []piece // of one file
	silent := false
	scanned := 0
	pos := int64(timelineStart)
	var prev *recorder.Segment
	var end int64 // of what is listed, Unix ms
	lo, hi := from.UnixMilli(), to.UnixMilli()
	for i := range segs {
		seg := &segs[i]
		if !playable(seg.Tracks) {
			silent = true
			continue
		}
		gops := seg.GOPs()
		if len(gops) == 0 && scanned < maxScanned {
			scanned++
			if gops, err = partsAsGOPs(ctx, seg); err != nil {
				s.log.Warn("hls: a file is left out", "error", err) // removed meanwhile, or damaged
				continue
			}
		}
		all = cut(all[:0], seg, gops, !t.live)
		sh := share{seg: seg, broken: prev != nil && !follows(prev, seg)}
		for j := range all {
			p := &all[j]
			switch {
			case p.wallEnd <= lo || p.wall >= hi:
				continue
			case p.wallEnd <= end:
				sh.broken = true // recorded twice, listed once
				continue
			}
			if len(sh.pieces) == 0 {
				sh.pieces = make([]piece, 0, len(all))
				sh.shift = pos - ticks(p.start)
				sh.broken = sh.broken || prev != nil && j > 0
			}
			pos += ticks(p.duration)
			sh.pieces = append(sh.pieces, *p)
			end = p.wallEnd
		}
		if len(sh.pieces) > 0 {
			t.shares = append(t.shares, sh)
			prev = seg
		}
	}
	if len(t.shares) == 0 && silent {
		return nil, &session.Error{Op: "hls", Code: session.NotSupported, Err: errNoCodec}
	}
	if len(t.shares) == 0 {
		return nil, recorder.ErrNothing
	}
	return t, nil
}

// follows says whether b goes on where a ended, with the same tracks.
func follows(a, b *recorder.Segment) bool {
	return a.Run == b.Run && a.Tracks == b.Tracks && b.Start.Sub(a.End).Abs() < 10*time.Millisecond
}

// ticks is a time in 1/90000 s.
func ticks(d time.Duration) int64 { return int64(d/time.Microsecond) * 9 / 100 }

// playlistBuffer is how much of a playlist is written at once.
const playlistBuffer = 32 << 10

// write writes the media playlist (RFC 8216 §4.3; the draft of its second
// edition where that is stricter). EXT-X-MAP comes with every file, since only a look into
// it would tell whether it is that of the one before; EXT-X-DISCONTINUITY where the
// pictures do not follow one another.
func (t *timeline) write(w io.Writer) error {
	b := make([]byte, 0, 2*playlistBuffer)
	longest := time.Second
	for i := range t.shares {
		for j := range t.shares[i].pieces {
			longest = max(longest, t.shares[i].pieces[j].duration)
		}
	}
	target := int(math.Ceil(longest.Seconds()))
	kind := "VOD"
	if t.live {
		target, kind = max(target, liveTarget), "EVENT"
	}
	b = append(b, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:"...)
	b = strconv.AppendInt(b, int64(target), 10)
	b = append(b, "\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:"...)
	b = append(b, kind...)
	b = append(b, '\n')
	// Where from was not recorded the playlist begins behind it. One that grows is played
	// from its end unless it says otherwise.
	if skip := t.from.Sub(time.UnixMilli(t.shares[0].pieces[0].wall)); skip > 0 || t.live {
		b = append(b, "#EXT-X-START:TIME-OFFSET="...)
		b = appendSeconds(b, max(0, skip))
		b = append(b, ",PRECISE=YES\n"...)
	}
	for i := range t.shares {
		b = t.shares[i].append(b)
		if len(b) < playlistBuffer {
			continue
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	if !t.live {
		b = append(b, "#EXT-X-ENDLIST\n"...)
	}
	_, err := w.Write(b)
	return err
}

func (sh *share) append(b []byte) []byte {
	name := segmentName(sh.seg)
	if sh.broken {
		b = append(b, "#EXT-X-DISCONTINUITY\n"...)
	}
	b = append(b, `#EXT-X-MAP:URI="`...)
	b = append(b, name...)
	b = append(b, "/init.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:"...)
	b = time.UnixMilli(sh.pieces[0].wall).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, '\n')
	for i := range sh.pieces {
		p := &sh.pieces[i]
		b = append(b, "#EXTINF:"...)
		b = appendSeconds(b, p.duration)
		b = append(b, ",\n"...)
		b = append(b, name...)
		b = append(b, '/')
		b = strconv.AppendInt(b, p.offset, 10)
		b = append(b, '-')
		b = strconv.AppendInt(b, p.length, 10)
		b = append(b, ".m4s?t="...)
		b = strconv.AppendInt(b, sh.shift, 10)
		b = append(b, '\n')
	}
	return b
}

// appendSeconds appends a duration, which is not negative, with microseconds.
func appendSeconds(b []byte, d time.Duration) []byte {
	us := d.Microseconds()
	b = strconv.AppendInt(b, us/1e6, 10)
	at := len(b)
	b = strconv.AppendInt(b, 1e6+us%1e6, 10)
	b[at] = '.' // in the place of the 1
	return b
}

// rates are the highest and the mean bit rate of the pieces.
func (t *timeline) rates() (peak, mean int64) {
	var bytes int64
	var length time.Duration
	for i := range t.shares {
		for _, p := range t.shares[i].pieces {
			bytes += p.length
			length += p.duration
			peak = max(peak, int64(float64(p.length*8)/max(p.duration.Seconds(), 0.1)))
		}
	}
	return peak, int64(float64(bytes*8) / max(length.Seconds(), 0.1))
}
