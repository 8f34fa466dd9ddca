// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/xp2p/xp2p/demux"
)

// Archive is the recordings of one channel: a camera's own, or what a recorder
// keeps of one of its cameras. Its methods may be called at any time from any
// goroutine; ctx bounds the call, and [PeerFrom] it says for whom it is.
type Archive interface {
	// Recordings lists the files that overlap [from, to), in the order of their start,
	// the first most of them.
	Recordings(ctx context.Context, from, to time.Time, most int) ([]Recording, error)
	// Any says whether there is a recording in [from, to), without listing them.
	Any(ctx context.Context, from, to time.Time) (bool, error)
	// OpenFile opens a file that Recordings lists, by its name there. ErrNoRecording:
	// there is none of that name, whatever else the name may point at.
	OpenFile(ctx context.Context, name string) (File, error)
	// Play gives the recordings from the last key picture at or before at on; where
	// nothing was recorded at that time, from the first one behind it. ErrNoRecording:
	// there is none behind it either.
	Play(ctx context.Context, at time.Time) (Cursor, error)
}

// ErrNoRecording says that what was asked for is not in an archive (any more).
var ErrNoRecording = errors.New("there is no such recording")

// Recording is one file of an archive.
type Recording struct {
	Name       string // by which it is downloaded; no path
	Type       int    // 0: recorded continuously; others are the archive's own
	Start, End time.Time
	Size       int64 // bytes
}

// File is a recording that is being downloaded. It does not change while it is open.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Cursor reads recordings in the order of their time. It belongs to one goroutine.
type Cursor interface {
	// Next gives the next frame; its Data is valid until the next call. io.EOF: behind
	// the last recording there is now.
	Next(ctx context.Context, f *Frame) error
	// KeysOnly leaves out everything but key pictures from now on, or no longer; then
	// the pictures behind the last one given follow.
	KeysOnly(on bool)
	Close() error
}

// Frame is one access unit of a recording, or a decoder configuration.
type Frame struct {
	// Unit has the times of its recording, which begin anew with every stretch.
	demux.Unit
	// Wall is when the unit's decoding time was, on the wall clock.
	Wall time.Time
	// Stretch: this does not go on where the frame before it ended: something is missing
	// between them, or the decoders change. Such a frame is a configuration, where the
	// codecs have one; the first picture behind it is a key picture.
	Stretch bool
}

// Sources and archives of JPEG devices have picture streams besides; they are
// passed through as they are. contentType is that of the stream.
type (
	// MJPEGSource is a Source with live-mjpg.
	MJPEGSource interface {
		OpenMJPEG(ctx context.Context) (stream io.ReadCloser, contentType string, err error)
	}
	// MJPEGArchive is an Archive with playback-mjpg.
	MJPEGArchive interface {
		PlayMJPEG(ctx context.Context, from, to time.Time) (stream io.ReadCloser, contentType string, err error)
	}
)
