// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xp2p/xp2p/demux"
)

// AudioFormat is a kind of sound.
type AudioFormat struct {
	Codec    demux.Codec // ALaw, MuLaw, AAC or PCM
	Rate     int         // Hz
	Channels int
}

// String writes f as the header X-Xp2p-Audio has it: "alaw;rate=8000;channels=1".
func (f AudioFormat) String() string {
	return fmt.Sprintf("%v;rate=%d;channels=%d", f.Codec, f.Rate, f.Channels)
}

const (
	maxAudioFormat   = 128
	maxAudioRate     = 192000
	maxAudioChannels = 8
)

var audioCodecs = map[string]demux.Codec{"alaw": demux.ALaw, "mulaw": demux.MuLaw, "aac": demux.AAC, "pcm": demux.PCM}

// ParseAudioFormat reads the header X-Xp2p-Audio (docs/design/0005, "Voice"). Parameters
// that are not known are ignored; a missing rate is 8000, a missing number of channels 1.
func ParseAudioFormat(s string) (AudioFormat, error) {
	fail := func(why string) (AudioFormat, error) {
		return AudioFormat{}, fmt.Errorf("the camera states the sound that it takes as %.40q: %s", s, why)
	}
	switch {
	case s == "":
		return AudioFormat{}, errors.New("the camera does not say which sound it takes (header X-Xp2p-Audio)")
	case len(s) > maxAudioFormat:
		return fail("too long")
	}
	name, params, _ := strings.Cut(s, ";")
	f := AudioFormat{Codec: audioCodecs[strings.ToLower(strings.TrimSpace(name))], Rate: 8000, Channels: 1}
	if f.Codec == demux.CodecUnknown {
		return fail("alaw, mulaw, aac and pcm are known")
	}
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		var to *int
		var most int
		switch strings.ToLower(k) {
		case "rate":
			to, most = &f.Rate, maxAudioRate
		case "channels":
			to, most = &f.Channels, maxAudioChannels
		default:
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(v))
		if err != nil || n < 1 || n > most {
			return fail(k + " is not a number from 1 to " + strconv.Itoa(most))
		}
		*to = n
	}
	return f, nil
}
