// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/h26x"
	"github.com/xp2p/xp2p/internal/fmp4"
)

// videoTrack makes a track of a decoder configuration, which it copies.
func videoTrack(u *demux.Unit) (fmp4.Track, error) {
	info, err := h26x.Info(u.Codec, u.Data)
	if err != nil {
		return fmp4.Track{}, err
	}
	return fmp4.Track{Codec: u.Codec, Config: append([]byte(nil), u.Data...), Width: info.Width, Height: info.Height}, nil
}

// sameTrack says whether samples of b may follow samples of a in one file.
func sameTrack(a, b *fmp4.Track) bool {
	return a.Codec == b.Codec && a.Rate == b.Rate && a.Channels == b.Channels && bytes.Equal(a.Config, b.Config)
}

// trackName is "h264 1920x1080" or "aac 44100x2".
func trackName(t *fmp4.Track) string {
	if t.Video() {
		return fmt.Sprintf("%s %dx%d", t.Codec, t.Width, t.Height)
	}
	return fmt.Sprintf("%s %dx%d", t.Codec, t.Rate, t.Channels)
}

// A camera may change its decoder configuration changeBurst times at once and then
// every changeEvery seconds: each change is a new file.
const (
	changeBurst = 20
	changeEvery = 2
)

var errUnstable = errors.New("recorder: the decoder configuration changes too often")

// ConfigError is a decoder configuration that nothing can be recorded with.
type ConfigError struct {
	Codec demux.Codec
	Err   error
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("recorder: %s decoder configuration: %v", e.Codec, e.Err)
}
func (e *ConfigError) Unwrap() error { return e.Err }
