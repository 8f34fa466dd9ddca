// SPDX-License-Identifier: LGPL-2.1-or-later

// Package speaker turns what a camera's talkback is played through into a
// device.Speaker:
//
//	FILE.wav          the last talk as a WAV file (G.711 and PCM)
//	FILE              the last talk as an FLV file, with the pictures of a video call
//	FIFO              FLV into a named pipe, which somebody must be reading
//	gst:LAUNCH-LINE   a GStreamer pipeline whose first element takes FLV
//
// The last one runs gst-launch-1.0 as a child process, so that this package is
// pure Go.
package speaker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/internal/launch"
)

// ErrSpec says that a speaker specification cannot be used.
var ErrSpec = errors.New("bad speaker")

// Sounds are what a speaker can be asked to take, by the names of talk-audio. FLV
// carries PCM at few rates; of AAC the talker's own rate is taken as it is.
var Sounds = map[string]device.Sound{
	"alaw":  {Codec: demux.ALaw, Rate: 8000, Channels: 1},
	"mulaw": {Codec: demux.MuLaw, Rate: 8000, Channels: 1},
	"aac":   {Codec: demux.AAC, Rate: 16000, Channels: 1},
	"pcm":   {Codec: demux.PCM, Rate: 22050, Channels: 1},
}

// patience is how long whatever plays may not take anything until the talk ends.
const patience = 2 * time.Second

// Parse makes a speaker of its specification; see the package comment for the forms.
// It opens nothing. sound is one of Sounds. Errors wrap ErrSpec.
func Parse(spec, sound string) (device.Speaker, error) {
	s, ok := Sounds[sound]
	if !ok {
		return nil, fmt.Errorf("%w: unknown sound %q: want alaw, mulaw, aac or pcm", ErrSpec, sound)
	}
	line, isGst := strings.CutPrefix(spec, "gst:")
	switch {
	case isGst:
		words, err := launch.Words(line)
		if err == nil && len(words) == 0 {
			err = errors.New("gst: needs a launch line, such as gst:flvdemux ! decodebin ! autoaudiosink")
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSpec, err)
		}
		return &gst{sound: s, args: words}, nil
	case spec == "":
		return nil, fmt.Errorf("%w: want a file, a named pipe or gst:LAUNCH-LINE", ErrSpec)
	}
	st, err := os.Stat(spec)
	switch {
	case err == nil && st.IsDir():
		return nil, fmt.Errorf("%w: %s is a directory: want a file, a named pipe or gst:LAUNCH-LINE", ErrSpec, spec)
	case err == nil && st.Mode()&fs.ModeNamedPipe != 0:
		return &fifo{sound: s, path: spec}, nil
	case strings.HasSuffix(strings.ToLower(spec), ".wav"):
		if s.Codec == demux.AAC {
			return nil, fmt.Errorf("%w: a WAV file holds alaw, mulaw or pcm: choose one of them, or a name that does not end in .wav", ErrSpec)
		}
		return &wav{sound: s, path: spec}, nil
	}
	return &file{sound: s, path: spec}, nil
}
