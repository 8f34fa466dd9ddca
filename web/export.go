// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/xp2p/xp2p/recorder"
)

// instant is a time in a body: RFC 3339 text or Unix seconds.
type instant struct{ time.Time }

func (i *instant) UnmarshalJSON(b []byte) (err error) {
	var text string
	if json.Unmarshal(b, &text) != nil {
		text = string(b)
	}
	i.Time, err = parseTime(text)
	return err
}

// postExport begins to make MP4 of a stretch of recordings: 202, and where to ask how
// far it is.
func (s *Server) postExport(w http.ResponseWriter, r *http.Request) {
	var p struct {
		Camera string  `json:"camera"`
		From   instant `json:"from"`
		To     instant `json:"to"`
		// Exact begins at From and not at the key picture before it, by an edit list.
		Exact bool `json:"exact"`
		// AAC turns G.711 into AAC, which players know.
		AAC bool `json:"aac"`
	}
	err := readJSON(r, &p)
	if err == nil {
		err = checkRange(p.From.Time, p.To.Time, maxExportRange)
	}
	if err == nil {
		_, err = s.cfg.Cameras.Camera(p.Camera)
	}
	totals := s.cfg.Recordings.Totals(p.Camera, p.From.Time, p.To.Time)
	if err == nil && len(totals) == 0 {
		err = fmt.Errorf("%w: GET /api/v1/cameras/%s/recordings says what is", recorder.ErrNothing, p.Camera)
	}
	if err != nil {
		fail(w, err)
		return
	}
	var bytes int64
	for _, t := range totals {
		bytes += t.Bytes
	}
	e, err := s.exports.start(recorder.ExportRequest{Camera: p.Camera, From: p.From.Time, To: p.To.Time, Exact: p.Exact, AAC: p.AAC}, bytes)
	if err != nil {
		w.Header().Set("Retry-After", "10")
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	w.Header().Set("Location", "/api/v1/exports/"+e.ID)
	answer(w, http.StatusAccepted, e)
}

func (s *Server) getExports(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.exports.all())
}

func (s *Server) getExport(w http.ResponseWriter, r *http.Request) {
	e, ok := s.exports.get(r.PathValue("id"))
	if !ok {
		noExport(w)
		return
	}
	answer(w, http.StatusOK, e)
}

func noExport(w http.ResponseWriter) {
	refuse(w, http.StatusNotFound, fmt.Sprintf("there is no such export: it is kept for %v behind its end, and not beyond a restart", exportLife))
}

func (s *Server) deleteExport(w http.ResponseWriter, r *http.Request) {
	if !s.exports.drop(r.PathValue("id")) {
		noExport(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// getExportFile gives a file of a finished export, or ranges of it, so that a broken
// download goes on where it broke.
func (s *Server) getExportFile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	f, err := s.exports.open(r.PathValue("id"), name)
	if err != nil {
		noExport(w)
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "video/mp4")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	http.ServeContent(&pacedAnswer{w, newPaced(w)}, r, name, st.ModTime(), f)
}

// pacedAnswer is a response of any length whose client must go on taking it.
type pacedAnswer struct {
	http.ResponseWriter
	p *paced
}

func (a *pacedAnswer) Write(b []byte) (int, error) { return a.p.Write(b) }
