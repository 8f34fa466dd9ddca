// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"fmt"
	"net/http"

	"github.com/xp2p/xp2p/web/ui"
)

func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /api/v1/system", s.getSystem)
	m.HandleFunc("GET /api/v1/cameras", s.getCameras)
	m.HandleFunc("GET /api/v1/cameras/{camera}", s.getCamera)
	m.HandleFunc("POST /api/v1/cameras/{camera}/command", s.postCommand)
	m.HandleFunc("POST /api/v1/cameras/{camera}/record", s.postRecord)
	m.HandleFunc("DELETE /api/v1/cameras/{camera}/record", s.deleteRecord)
	m.HandleFunc("POST /api/v1/cameras/{camera}/events", s.postEvent)
	m.HandleFunc("GET /api/v1/cameras/{camera}/recordings", s.getRecordings)
	m.HandleFunc("GET /api/v1/cameras/{camera}/calendar", s.getCalendar)
	m.HandleFunc("GET /api/v1/cameras/{camera}/thumbnail", s.getThumbnail)
	m.HandleFunc("GET /api/v1/events", s.getEvents)
	m.HandleFunc("GET /api/v1/exports", s.getExports)
	m.HandleFunc("POST /api/v1/exports", s.postExport)
	m.HandleFunc("GET /api/v1/exports/{id}", s.getExport)
	m.HandleFunc("DELETE /api/v1/exports/{id}", s.deleteExport)
	m.HandleFunc("GET /api/v1/exports/{id}/files/{file}", s.getExportFile)
	m.HandleFunc("GET /live/{stream}", s.getLive)
	m.HandleFunc("GET /hls/{camera}/index.m3u8", s.getMultivariant)
	m.HandleFunc("GET /hls/{camera}/media.m3u8", s.getPlaylist)
	m.HandleFunc("GET /hls/{camera}/{segment}/init.mp4", s.getInit)
	m.HandleFunc("GET /hls/{camera}/{segment}/{piece}", s.getPiece)
	m.Handle("GET /metrics", s.metrics())
	for _, area := range []string{"/api/", "/live/", "/hls/"} {
		m.HandleFunc(area, func(w http.ResponseWriter, r *http.Request) {
			refuse(w, http.StatusNotFound, fmt.Sprintf("there is no %s %s; docs/guide/web.md lists what there is", r.Method, clip(r.URL.Path)))
		})
	}
	m.Handle("/", ui.Handler())
	return m
}
