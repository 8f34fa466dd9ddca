package h26x

import (
	"fmt"
	"math"

	"github.com/xp2p/xp2p/demux"
)

// VideoInfo is what an SPS says about the pictures.
type VideoInfo struct {
	Width, Height int     // pixels, after cropping
	FPS           float64 // pictures per second; 0 where the SPS does not say
	Profile       int     // profile_idc; general_profile_idc
	Level         int     // level_idc: 10 times the level; general_level_idc: 30 times
}

// maxSide bounds the width and height that are believed: the highest levels of
// both codecs end far below.
const maxSide = 1 << 15

// maxFPS bounds the frame rate that is believed; above it FPS is 0.
const maxFPS = 1000

// Info reads the first SPS of a decoder configuration record (avcC or hvcC).
func Info(codec demux.Codec, config []byte) (VideoInfo, error) {
	switch codec {
	case demux.H264:
		c, err := ParseAVCC(config)
		if err != nil {
			return VideoInfo{}, err
		}
		return InfoH264(c.SPS[0])
	case demux.H265:
		c, err := ParseHVCC(config)
		if err != nil {
			return VideoInfo{}, err
		}
		return InfoH265(c.SPS[0])
	}
	return VideoInfo{}, fmt.Errorf("h26x: no parameter sets in %v", codec)
}

// InfoH264 reads an SPS NAL unit (ITU-T H.264 §7.3.2.1.1).
func InfoH264(sps []byte) (VideoInfo, error) {
	s, err := parseH264(sps)
	if err != nil {
		return VideoInfo{}, err
	}
	return checked(VideoInfo{
		Width: s.Width(), Height: s.Height(), FPS: s.FPS(),
		Profile: int(s.ProfileIdc), Level: int(s.LevelIdc),
	})
}

// InfoH265 reads an SPS NAL unit (ITU-T H.265 §7.3.2.2).
func InfoH265(sps []byte) (VideoInfo, error) {
	s, err := parseH265(sps)
	if err != nil {
		return VideoInfo{}, err
	}
	return checked(VideoInfo{
		Width: s.Width(), Height: s.Height(), FPS: s.FPS(),
		Profile: int(s.ProfileTierLevel.GeneralProfileIdc), Level: int(s.ProfileTierLevel.GeneralLevelIdc),
	})
}

func checked(v VideoInfo) (VideoInfo, error) {
	if v.Width <= 0 || v.Height <= 0 || v.Width > maxSide || v.Height > maxSide {
		return VideoInfo{}, fmt.Errorf("%w: picture of %dx%d", ErrSPS, v.Width, v.Height)
	}
	if math.IsNaN(v.FPS) || v.FPS < 0 || v.FPS > maxFPS {
		v.FPS = 0
	}
	return v, nil
}
