// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/xp2p/xp2p/internal/fmp4"
	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

const (
	thumbWidth    = 320 // pixels, unless width says else
	maxThumbWidth = 1920
	// maxThumbs is how many are made at once; further requests wait for thumbWait.
	maxThumbs    = 2
	thumbWait    = 10 * time.Second
	thumbTimeout = 10 * time.Second // for making one
	// thumbCache is how many bytes of them are kept; the one that was used longest ago goes.
	thumbCache = 8 << 20
	// maxThumbPart is the largest part that is decoded for one.
	maxThumbPart = 8 << 20
)

// thumbnails makes pictures of recordings, a few at a time.
type thumbnails struct {
	pictures Pictures
	turn     limit

	mu    sync.Mutex
	kept  map[string]*list.Element // of *thumbnail, by what it is of
	order list.List                // the one used last first
	bytes int
}

type thumbnail struct {
	key  string
	jpeg []byte
}

func newThumbnails(p Pictures) *thumbnails {
	return &thumbnails{pictures: p, turn: newLimit(maxThumbs), kept: map[string]*list.Element{}}
}

var errNoPictures = errors.New("thumbnails need GStreamer on the recorder's machine")

// getThumbnail gives the last key picture at or before a time as JPEG. Where nothing
// is recorded then it is 404.
func (s *Server) getThumbnail(w http.ResponseWriter, r *http.Request) {
	c, ok := s.camera(w, r)
	if !ok {
		return
	}
	if s.thumbs == nil {
		fail(w, &session.Error{Op: "thumbnail", Code: session.NotSupported, Err: errNoPictures})
		return
	}
	q := r.URL.Query()
	at, err := timeParam(q, "time")
	width := thumbWidth
	if err == nil && at.IsZero() {
		err = bad("needs time: RFC 3339 or Unix seconds")
	}
	if v := q.Get("width"); err == nil && v != "" {
		if width, err = strconv.Atoi(v); err != nil || width < 16 || width > maxThumbWidth {
			err = bad(fmt.Sprintf("width: wanted 16 to %d pixels", maxThumbWidth))
		}
	}
	var seg *recorder.Segment
	var g recorder.GOP
	if err == nil {
		seg, g, err = s.keyPicture(r.Context(), c.Name, at)
	}
	if err != nil {
		fail(w, err)
		return
	}
	key := fmt.Sprintf("%s %d %d", seg.Path, g.Key, width)
	jpeg := s.thumbs.get(key)
	if jpeg == nil {
		if jpeg, err = s.thumbs.make(r.Context(), key, width, func() ([]byte, error) { return s.pictureFile(r.Context(), seg, g) }); err != nil {
			s.failThumbnail(w, err)
			return
		}
	}
	w.Header().Set("Content-Type", "image/jpeg")
	w.Header().Set("Cache-Control", "private, max-age=60")
	w.Header().Set("X-Picture-Time", g.Wall.UTC().Format("2006-01-02T15:04:05.000Z"))
	w.Header().Set("Content-Length", strconv.Itoa(len(jpeg)))
	w.Write(jpeg)
}

var errThumbsBusy = errors.New("too many thumbnails are being made")

func (s *Server) failThumbnail(w http.ResponseWriter, err error) {
	if errors.Is(err, errThumbsBusy) {
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	s.failFile(w, err)
}

// keyPicture finds the last key picture at or before a time, in the file of that time.
func (s *Server) keyPicture(ctx context.Context, camera string, at time.Time) (*recorder.Segment, recorder.GOP, error) {
	segs, err := s.cfg.Recordings.ListFirst(ctx, camera, at, at.Add(time.Millisecond), 1)
	if err != nil {
		return nil, recorder.GOP{}, err
	}
	if len(segs) == 0 {
		return nil, recorder.GOP{}, recorder.ErrNothing
	}
	gops := segs[0].GOPs()
	if len(gops) == 0 {
		return nil, recorder.GOP{}, recorder.ErrNothing
	}
	i := sort.Search(len(gops), func(i int) bool { return gops[i].Wall.After(at) })
	return &segs[0], gops[max(0, i-1)], nil
}

// pictureFile is an MP4 of the key picture alone: the file's init and one part with one
// sample.
func (s *Server) pictureFile(ctx context.Context, seg *recorder.Segment, g recorder.GOP) ([]byte, error) {
	h, err := s.heads.get(ctx, seg)
	if err != nil {
		return nil, err
	}
	f, err := seg.OpenFile(ctx)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := fmp4.ReadPartAt(f, g.Part, seg.Bytes)
	if err != nil {
		return nil, err
	}
	for i := range p.Runs {
		r := &p.Runs[i]
		at := r.Offset
		for _, sample := range r.Samples {
			if r.Video && at == g.Key && sample.Size <= maxThumbPart {
				return onePicture(f, h, r, sample, at)
			}
			at += int64(sample.Size)
		}
	}
	return nil, fmp4.ErrPart
}

func onePicture(f io.ReaderAt, h *head, r *fmp4.ReadRun, sample fmp4.Sample, at int64) ([]byte, error) {
	b, err := fmp4.AppendInit(nil, h.tracks[:1])
	if err != nil {
		return nil, err
	}
	sample.CTS = 0
	b = fmp4.AppendPart(b, &fmp4.PartHeader{Sequence: 1, Wall: time.Unix(0, 0),
		Runs: []fmp4.Run{{Track: r.Track, Video: true, Samples: []fmp4.Sample{sample}, Bytes: int(sample.Size)}}})
	n := len(b)
	b = append(b, make([]byte, sample.Size)...)
	_, err = f.ReadAt(b[n:], at)
	return b, err
}

// make waits for its turn and makes a thumbnail.
func (t *thumbnails) make(ctx context.Context, key string, width int, file func() ([]byte, error)) ([]byte, error) {
	wait := time.NewTimer(thumbWait)
	defer wait.Stop()
	select {
	case t.turn <- struct{}{}:
		defer t.turn.leave()
	case <-wait.C:
		return nil, errThumbsBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if jpeg := t.get(key); jpeg != nil {
		return jpeg, nil // somebody made it meanwhile
	}
	b, err := file()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, thumbTimeout)
	defer cancel()
	jpeg, err := t.pictures.JPEG(ctx, b, width)
	if err != nil {
		return nil, fmt.Errorf("make a thumbnail: %w", err)
	}
	t.put(&thumbnail{key, jpeg})
	return jpeg, nil
}

func (t *thumbnails) get(key string) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.kept[key]
	if e == nil {
		return nil
	}
	t.order.MoveToFront(e)
	return e.Value.(*thumbnail).jpeg
}

func (t *thumbnails) put(n *thumbnail) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept[n.key] != nil || len(n.jpeg) > thumbCache {
		return
	}
	t.kept[n.key] = t.order.PushFront(n)
	t.bytes += len(n.jpeg)
	for t.bytes > thumbCache {
		old := t.order.Remove(t.order.Back()).(*thumbnail)
		delete(t.kept, old.key)
		t.bytes -= len(old.jpeg)
	}
}
