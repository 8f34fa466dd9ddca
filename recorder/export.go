// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// ExportRequest says which stretch of a camera's recordings to write as MP4.
type ExportRequest struct {
	Camera   string
	From, To time.Time
	// Exact begins with the picture that was to be seen at From and ends at To, by an
	// edit list: the pictures from the key picture on that it is decoded from are in the
	// file and are not shown. Without it the file begins with that key picture.
	Exact bool
	// Path of the file. Where the decoder's configuration changes within the stretch,
	// what follows is in further files: clip.mp4, clip-2.mp4, …
	Path string
	// Overwrite lets files be replaced that are there; without it they are an error.
	Overwrite bool
	// Sum asks for the files' SHA-256, which takes longer than the copying.
	Sum bool
	// Sign asks for a manifest beside the file, Path + ManifestSuffix, signed with this
	// key, which implies Sum; nil: none. See VerifyManifest.
	Sign ed25519.PrivateKey
	// AAC turns G.711 into AAC (see Config.AAC): hardly any player of MP4 knows it. Other
	// sound is copied as it is.
	AAC bool
	// Progress is told how many bytes of the files are written, of how many; nil: nobody.
	Progress func(done, total int64)
}

// ExportedFile is one file of an export.
type ExportedFile struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"` // of the whole file, hexadecimal; with Sum
	// Duration is the file's; time that was not recorded is not in it.
	Duration time.Duration `json:"-"`
	// Stretches map the file's time to the wall's: one for each run of recordings.
	Stretches []ExportedStretch `json:"stretches"`
}

// ExportedStretch is a part of a file without a hole in it.
type ExportedStretch struct {
	At    time.Duration `json:"-"` // in the file
	Start time.Time     `json:"start"`
	End   time.Time     `json:"end"`
}

var (
	// ErrNothing says that nothing was recorded in the time that was asked for.
	ErrNothing = errors.New("recorder: nothing is recorded in this time")
	// ErrExists says that an export would replace a file.
	ErrExists = errors.New("recorder: the file is there already: choose another name, or ask to overwrite it")
)

// Export writes the recordings of [From, To) into one MP4 (or several, see Path): an
// ordinary one, which any player seeks in. It begins at the last key picture that is
// not behind From, or exactly there, and ends with the last picture before To. Samples
// are copied as they are, across segments, runs and gaps; time that was not recorded is
// left out. No limit removes the segments meanwhile.
//
// A file appears under its name when it is whole. One that was broken off is left as
// Path.partial with its journal, Path.partial.json: the same request goes on from its
// last whole piece.
func (a *Archive) Export(ctx context.Context, r ExportRequest) ([]ExportedFile, error) {
	if !r.To.After(r.From) {
		return nil, fmt.Errorf("export: the end %v is not behind the beginning %v", r.To, r.From)
	}
	r.Sum = r.Sum || r.Sign != nil
	if r.Sign != nil {
		if err := r.free(r.Path + ManifestSuffix); err != nil {
			return nil, fmt.Errorf("export: %w", err)
		}
	}
	segments, err := a.List(ctx, r.Camera, r.From, r.To)
	if err != nil {
		return nil, err
	}
	if len(segments) == 0 {
		return nil, ErrNothing
	}
	defer a.pin(segments)()
	p := &planner{ExportRequest: r, encoder: a.cfg.AAC}
	defer p.dropSound()
	for i := range segments {
		if err := p.segment(ctx, &segments[i]); err != nil {
			return nil, fmt.Errorf("export %s: %w", segments[i].Path, err)
		}
	}
	if err := p.finish(ctx); err != nil {
		return nil, err
	}
	if len(p.files) == 0 {
		return nil, ErrNothing
	}
	files, err := p.write(ctx)
	if err != nil {
		return nil, fmt.Errorf("export to %s: %w", r.Path, err)
	}
	if r.Sign != nil {
		if err := a.writeManifest(ctx, &r, files); err != nil {
			return nil, fmt.Errorf("export to %s: manifest: %w", r.Path, err)
		}
	}
	return files, r.forget()
}

// pin keeps the limits from removing segments until the function it gives is called.
func (a *Archive) pin(list []Segment) (unpin func()) {
	change := func(n int) {
		for _, s := range a.storages {
			s.limitMu.Lock()
			for i := range list {
				if s.pins[list[i].Path] += n; s.pins[list[i].Path] == 0 {
					delete(s.pins, list[i].Path)
				}
			}
			s.limitMu.Unlock()
		}
	}
	change(1)
	return func() { change(-1) }
}

// free says whether a file may be written under that name.
func (r *ExportRequest) free(path string) error {
	if r.Overwrite {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%w (%s)", ErrExists, path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
