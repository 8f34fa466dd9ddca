// SPDX-License-Identifier: LGPL-2.1-or-later

package control

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

type exportParams struct {
	Camera string  `json:"camera"`
	From   instant `json:"from"`
	To     instant `json:"to"`
	File   string  `json:"file"`
	SHA256 bool    `json:"sha256"`
	// Exact: the file begins to be seen at From, by an edit list.
	Exact     bool `json:"exact"`
	AAC       bool `json:"aac"` // G.711 becomes AAC
	Overwrite bool `json:"overwrite"`
	Sign      bool `json:"sign"` // writes a manifest beside it
}

// exportedFile is an element of record.export's result.
type exportedFile struct {
	recorder.ExportedFile
	Duration  float64           `json:"duration"` // s
	Stretches []exportedStretch `json:"stretches"`
}

type exportedStretch struct {
	At float64 `json:"at"` // s, in the file
	recorder.ExportedStretch
}

// recordExport writes a stretch of recordings as MP4. It takes as long as that takes;
// who ends the connection ends it.
func (s *Server) recordExport(ctx context.Context, p exportParams) ([]exportedFile, error) {
	bad := func(why string) error {
		return &session.Error{Op: "record.export", Code: session.BadArgument, Err: errors.New(why)}
	}
	switch {
	case p.Camera == "" || p.File == "":
		return nil, bad("needs camera, from, to and file")
	case !filepath.IsAbs(p.File):
		return nil, bad("file must be an absolute path: it is the recorder that writes it")
	case p.From.IsZero() || p.To.IsZero():
		return nil, bad("needs from and to")
	}
	if _, err := s.cfg.Cameras.Camera(p.Camera); err != nil {
		return nil, err
	}
	r := recorder.ExportRequest{Camera: p.Camera, From: p.From.Time, To: p.To.Time, Path: p.File, Sum: p.SHA256, Exact: p.Exact, AAC: p.AAC, Overwrite: p.Overwrite}
	if p.Sign {
		var err error
		if r.Sign, err = s.cfg.Cameras.SigningKey(); err != nil {
			return nil, err
		}
	}
	files, err := s.cfg.Cameras.Export(ctx, r)
	if errors.Is(err, recorder.ErrExists) {
		return nil, bad(err.Error())
	}
	if errors.Is(err, recorder.ErrNoAAC) { // it says what to install
		return nil, &session.Error{Op: "record.export", Code: session.NotSupported, Err: err}
	}
	if errors.Is(err, recorder.ErrNothing) {
		return nil, bad("nothing is recorded of this camera from " + p.From.Format(time.RFC3339) + " to " + p.To.Format(time.RFC3339) + "; record.list says what is")
	}
	if err != nil {
		return nil, err
	}
	list := make([]exportedFile, len(files))
	for i, f := range files {
		list[i] = exportedFile{ExportedFile: f, Duration: f.Duration.Seconds()}
		for _, x := range f.Stretches {
			list[i].Stretches = append(list[i].Stretches, exportedStretch{x.At.Seconds(), x})
		}
	}
	return list, nil
}
