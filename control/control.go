// SPDX-License-Identifier: LGPL-2.1-or-later

// Package control is the recorder's control socket: JSON-RPC 2.0 over a unix
// socket, one JSON text per line, so that socat and jq are enough to use it.
//
//	{"jsonrpc":"2.0","id":1,"method":"camera.status","params":{"camera":"gate"}}
//	{"jsonrpc":"2.0","id":1,"result":{"name":"gate","state":"live",…}}
//	{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"…","data":{"code":-2403}}}
//
// error.data.code is the X-P2P result code (reference/xp2p.md §2), where there is
// one. docs/guide/control.md has every method with an example.
//
// The package acts on the service through the interfaces below.
package control

import (
	"context"
	"crypto/ed25519"
	"time"

	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/pipelines"
	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
)

// Cameras is what the camera and command methods act on.
type Cameras interface {
	Cameras() []nvr.CameraStatus
	Camera(name string) (nvr.CameraStatus, error)
	Command(ctx context.Context, camera, command string) (session.CommandResult, error)
	Subscribe() *nvr.Subscription
	// Export writes recordings as MP4; subscribers hear how far it is.
	Export(ctx context.Context, r recorder.ExportRequest) ([]recorder.ExportedFile, error)
	// SigningKey signs manifests of exports.
	SigningKey() (ed25519.PrivateKey, error)
	// Talk says what in has to a camera's speaker, until it ends.
	Talk(ctx context.Context, r nvr.TalkRequest) (nvr.TalkResult, error)
	Changer
	Requests
}

// Recordings is what the record methods act on.
type Recordings interface {
	List(ctx context.Context, camera string, from, to time.Time) ([]recorder.Segment, error)
	Gaps(ctx context.Context, camera string, from, to time.Time) ([]recorder.Gap, error)
	Status(ctx context.Context) ([]recorder.StorageStatus, error)
	Overview
	Locks
}

// Pipelines is what the pipeline methods act on: those of the configuration.
type Pipelines interface {
	All() []pipelines.Status
	Status(name string) (pipelines.Status, error)
	Pipeline(name string) (*pipelines.Pipeline, error)
	Start(name string) error
	Stop(ctx context.Context, name string) error
}

// SystemInfo is the result of system.info.
type SystemInfo struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Now     time.Time `json:"now"`
	Cameras int       `json:"cameras"`
	Methods []string  `json:"methods"`
}

// RecordStatus is the result of record.status.
type RecordStatus struct {
	Storages []recorder.StorageStatus `json:"storages"`
	Cameras  []CameraRecord           `json:"cameras"`
}

// CameraRecord is what the recorder did for a camera since the service began.
type CameraRecord struct {
	Name string `json:"name"`
	recorder.CameraStats
	// Gap is the gap that is open now: why the camera is not recorded; null when it is.
	Gap *recorder.Gap `json:"gap"`
}

// RecordList is the result of record.list.
type RecordList struct {
	Segments []ListedSegment `json:"segments"`
	Gaps     []recorder.Gap  `json:"gaps"`
}

// ListedSegment is a segment with its media time in seconds.
type ListedSegment struct {
	recorder.Segment
	Duration float64 `json:"duration"`
	Keys     int     `json:"keys"` // key pictures in it
}
