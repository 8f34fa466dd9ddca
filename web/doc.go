// SPDX-License-Identifier: LGPL-2.1-or-later

// Package web serves the recorder over HTTP: the page, an API for programs, live
// streams, recordings as HLS, exports and metrics.
//
//	guard      every request: its Host, where a browser sends it from, the token
//	api        /api/v1/…: cameras, recordings, events, exports, thumbnails; JSON
//	live       /live/CAMERA.flv: the stream that is being recorded, from a key frame on
//	hls        /hls/CAMERA/…: playlists made of the index, and stretches of the stored files
//	metrics    /metrics, for Prometheus
//	ui         everything else: the page (package ui)
//
// The package acts on the service through the interfaces below. It opens files of
// recordings for reading alone, and only those that the index lists.
//
// docs/guide/web.md has every request with an example; docs/design/0011 says why
// things are as they are.
package web

import (
	"context"
	"io"
	"time"

	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

// Cameras is what is asked about cameras; *nvr.NVR is one.
type Cameras interface {
	Cameras() []nvr.CameraStatus
	Camera(name string) (nvr.CameraStatus, error)
	Command(ctx context.Context, camera, command string) (session.CommandResult, error)
	Subscribe() *nvr.Subscription
	Watch(ctx context.Context, camera string) (io.ReadCloser, error)
	Export(ctx context.Context, r recorder.ExportRequest) ([]recorder.ExportedFile, error)
	StartRecording(camera string, d time.Duration) error
	StopRecording(camera string) error
	Trigger(camera, kind string, d time.Duration) error
}

// Recordings is what is asked about recordings; *recorder.Archive is one.
type Recordings interface {
	List(ctx context.Context, camera string, from, to time.Time) ([]recorder.Segment, error)
	ListFirst(ctx context.Context, camera string, from, to time.Time, n int) ([]recorder.Segment, error)
	Spans(camera string, from, to time.Time, join time.Duration) []recorder.Span
	Totals(camera string, from, to time.Time) []recorder.Total
	Calendar(camera string, year int, month time.Month, zone *time.Location) []int
	Gaps(ctx context.Context, camera string, from, to time.Time) ([]recorder.Gap, error)
	Events(ctx context.Context, camera string, from, to time.Time, n int) ([]recorder.Event, error)
	Lock(ctx context.Context, l recorder.Lock) (recorder.Lock, error)
	Unlock(ctx context.Context, id string) error
	Locks(ctx context.Context, camera string) ([]recorder.Lock, error)
	Status(ctx context.Context) ([]recorder.StorageStatus, error)
	Forecast(ctx context.Context) ([]recorder.Forecast, error)
}

// Pictures makes pictures of recordings.
type Pictures interface {
	// JPEG decodes a fragmented MP4 of one picture and gives it as JPEG, width pixels wide.
	JPEG(ctx context.Context, mp4 []byte, width int) ([]byte, error)
}
