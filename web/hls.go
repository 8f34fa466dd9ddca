// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/xp2p/xp2p/internal/fmp4"
	"github.com/xp2p/xp2p/recorder"
)

var errNoCodec = errors.New("HLS carries H.264, H.265, AAC and (as FLAC) G.711, and of these nothing was recorded: export it instead")

const (
	playlistType = "application/vnd.apple.mpegurl"
	// immutable is for what never changes under its URL.
	immutable = "private, max-age=86400, immutable"
	// maxPiece bounds a stretch that is asked for: a minute of 80 Mbit/s.
	maxPiece = 600 << 20
)

// hlsTimeline answers a request for a playlist in part: it gives what is in it.
func (s *Server) hlsTimeline(w http.ResponseWriter, r *http.Request) (*timeline, url.Values, bool) {
	c, ok := s.camera(w, r)
	if !ok {
		return nil, nil, false
	}
	q := r.URL.Query()
	from, err := timeParam(q, "from")
	var to time.Time
	if err == nil {
		to, err = timeParam(q, "to")
	}
	switch {
	case err != nil:
	case from.IsZero():
		err = bad("needs from: RFC 3339 or Unix seconds; without to, or with one to come, the playlist grows")
	case !to.IsZero():
		err = checkRange(from, to, maxPlaylist)
	case time.Since(from) > maxPlaylist:
		err = bad(fmt.Sprintf("from is more than %v ago: say to as well", maxPlaylist))
	}
	var t *timeline
	if err == nil {
		t, err = s.timeline(r.Context(), c.Name, from, to)
	}
	if err != nil {
		fail(w, err)
		return nil, nil, false
	}
	return t, q, true
}

// getPlaylist is the media playlist.
func (s *Server) getPlaylist(w http.ResponseWriter, r *http.Request) {
	if t, _, ok := s.hlsTimeline(w, r); ok {
		w.Header().Set("Content-Type", playlistType)
		if err := t.write(newPaced(w)); err != nil {
			panic(http.ErrAbortHandler) // the client must not take it for whole
		}
	}
}

// getMultivariant is the playlist above it, which names the codecs.
func (s *Server) getMultivariant(w http.ResponseWriter, r *http.Request) {
	t, q, ok := s.hlsTimeline(w, r)
	if !ok {
		return
	}
	h, err := s.heads.get(r.Context(), t.shares[0].seg)
	if err != nil {
		s.failFile(w, err)
		return
	}
	peak, mean := t.rates()
	if h.flac.id != 0 {
		peak, mean = peak+int64(h.flac.channels)*flacRate, mean+int64(h.flac.channels)*flacRate
	}
	attributes := fmt.Sprintf("BANDWIDTH=%d,AVERAGE-BANDWIDTH=%d,CODECS=\"%s\"", peak, mean, h.codecs())
	if v := &h.tracks[0]; v.Video() {
		attributes += fmt.Sprintf(",RESOLUTION=%dx%d", v.Width, v.Height)
	}
	q.Del(tokenParam)
	w.Header().Set("Content-Type", playlistType)
	fmt.Fprintf(w, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-STREAM-INF:%s\nmedia.m3u8?%s\n", attributes, q.Encode())
}

// segment finds the file of a URL. The name is not used as a path: it is looked for
// among the files that began when it says.
func (s *Server) segment(ctx context.Context, camera, name string) (*recorder.Segment, error) {
	if len(name) < len(segmentTime) {
		return nil, fs.ErrNotExist
	}
	at, err := time.Parse(segmentTime, name[:len(segmentTime)])
	if err != nil {
		return nil, fs.ErrNotExist
	}
	segs, err := s.cfg.Recordings.List(ctx, camera, at, at.Add(time.Millisecond))
	if err != nil {
		return nil, err
	}
	for i := range segs {
		if segmentName(&segs[i]) == name {
			return &segs[i], nil
		}
	}
	return nil, fs.ErrNotExist
}

// failFile answers with the error of a file that was listed once.
func (s *Server) failFile(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		refuse(w, http.StatusNotFound, "there is no such recording: it was removed to make room, or the URL is of another camera")
	case errors.Is(err, fmp4.ErrNoInit), errors.Is(err, fmp4.ErrPart):
		s.log.Warn("hls: a file is damaged", "error", err)
		refuse(w, http.StatusNotFound, "this recording is damaged here")
	default:
		fail(w, err)
	}
}

func (s *Server) getInit(w http.ResponseWriter, r *http.Request) {
	seg, err := s.segment(r.Context(), r.PathValue("camera"), r.PathValue("segment"))
	var h *head
	if err == nil {
		h, err = s.heads.get(r.Context(), seg)
	}
	if err != nil {
		s.failFile(w, err)
		return
	}
	w.Header().Set("Content-Type", "video/mp4")
	w.Header().Set("Cache-Control", immutable)
	w.Header().Set("Content-Length", strconv.Itoa(len(h.init)))
	w.Write(h.init)
}

// getPiece sends a stretch of a file: its bytes as they are stored, save that the
// parts' decoding times are moved onto the playlist's clock, and sound that HLS cannot
// carry is hidden. Nothing of it is decoded or put together anew, but for G.711.
func (s *Server) getPiece(w http.ResponseWriter, r *http.Request) {
	offset, length, err := parsePiece(r.PathValue("piece"))
	shift, shiftErr := strconv.ParseInt(r.URL.Query().Get("t"), 10, 52)
	if err != nil || shiftErr != nil {
		fail(w, bad("a piece is OFFSET-LENGTH.m4s?t=TICKS: playlists have the URLs of all"))
		return
	}
	seg, err := s.segment(r.Context(), r.PathValue("camera"), r.PathValue("segment"))
	var h *head
	if err == nil {
		h, err = s.heads.get(r.Context(), seg)
	}
	if err == nil && (offset < h.size || length > seg.Bytes-offset) {
		err = fs.ErrNotExist
	}
	var f recorder.ReadFile
	if err == nil {
		f, err = seg.OpenFile(r.Context())
	}
	if err != nil {
		s.failFile(w, err)
		return
	}
	defer f.Close()
	// The first part tells whether one begins there at all, before anything is promised.
	end := offset + length
	p, err := fmp4.ReadPartAt(f, offset, end)
	if err != nil {
		s.failFile(w, err)
		return
	}
	w.Header().Set("Content-Type", "video/mp4")
	w.Header().Set("Cache-Control", immutable)
	send := sendParts
	if h.flac.id != 0 {
		send = h.flac.sendParts // how long it is shows when it is made
	} else {
		w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	}
	if r.Method == http.MethodHead {
		return
	}
	if err := send(newPaced(w), f, p, end, h.shift(shift)); err != nil {
		s.log.Debug("hls: piece", "file", seg.Path, "error", err)
		panic(http.ErrAbortHandler) // the client must not take it for whole
	}
}

// sendParts sends p and the parts behind it up to end.
func sendParts(w io.Writer, f io.ReaderAt, p *fmp4.ReadPart, end int64, shift fmp4.Shift) error {
	var header []byte
	buf := make([]byte, 128<<10)
	for {
		var err error
		if header, err = p.ReadShifted(f, header[:0], shift); err != nil {
			return err
		}
		if _, err := w.Write(header); err != nil {
			return err
		}
		n := int64(len(header))
		if _, err := io.CopyBuffer(w, io.NewSectionReader(f, p.Offset+n, p.Size-n), buf); err != nil {
			return err
		}
		at := p.Offset + p.Size
		if at == end {
			return nil
		}
		if p, err = fmp4.ReadPartAt(f, at, end); err != nil {
			return err
		}
	}
}

// parsePiece reads "OFFSET-LENGTH.m4s".
func parsePiece(s string) (offset, length int64, err error) {
	s, ok := strings.CutSuffix(s, ".m4s")
	o, l, found := strings.Cut(s, "-")
	if !ok || !found {
		return 0, 0, errors.New("not of the form OFFSET-LENGTH.m4s")
	}
	if offset, err = strconv.ParseInt(o, 10, 63); err == nil {
		length, err = strconv.ParseInt(l, 10, 63)
	}
	if err == nil && (offset < 0 || length <= 0 || length > maxPiece) {
		err = errors.New("out of bounds")
	}
	return offset, length, err
}
