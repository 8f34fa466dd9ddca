package h26x

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// AVCConfig is an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1).
// Its slices alias what was parsed.
type AVCConfig struct {
	Profile       uint8 // profile_idc
	Compatibility uint8 // constraint flags
	Level         uint8 // level_idc
	LengthSize    int   // bytes of length before each NAL unit: 1 to 4
	SPS, PPS      [][]byte
}

// ParseAVCC reads an AVCDecoderConfigurationRecord. What follows the parameter
// sets (chroma format, SPS extensions) is ignored: the SPS says it too. Errors:
// ErrShort, ErrVersion, ErrLimit, ErrNoSPS. A record without a PPS is accepted,
// as some encoders send it in the stream.
func ParseAVCC(b []byte) (AVCConfig, error) {
	var c AVCConfig
	switch {
	case len(b) > MaxConfig:
		return c, ErrLimit
	case len(b) < 6:
		return c, ErrShort
	case b[0] != 1:
		return c, ErrVersion
	}
	c.Profile, c.Compatibility, c.Level = b[1], b[2], b[3]
	c.LengthSize = int(b[4]&3) + 1
	r := recordReader{b[6:]}
	var err error
	if c.SPS, err = r.nals(nil, int(b[5]&0x1f)); err != nil {
		return c, err
	}
	n, err := r.byte()
	if err != nil {
		return c, err
	}
	if c.PPS, err = r.nals(nil, int(n)); err != nil {
		return c, err
	}
	if len(c.SPS) == 0 {
		return c, ErrNoSPS
	}
	return c, nil
}

// BuildAVCC makes an AVCDecoderConfigurationRecord with 4-byte NAL lengths of
// parameter sets, which have neither start code nor length.
func BuildAVCC(sps, pps [][]byte) ([]byte, error) {
	if err := checkSets(sps, 31, ErrNoSPS); err != nil {
		return nil, err
	}
	if err := checkSets(pps, 255, ErrNoPPS); err != nil {
		return nil, err
	}
	s, err := parseH264(sps[0])
	if err != nil {
		return nil, err
	}
	head := sps[0]
	b := []byte{1, head[1], head[2], head[3], 0xfc | (LengthSize - 1), 0xe0 | byte(len(sps))}
	b = appendSets(b, sps)
	b = append(b, byte(len(pps)))
	b = appendSets(b, pps)
	switch s.ProfileIdc {
	case 66, 77, 88:
	default:
		b = append(b, 0xfc|byte(s.ChromaFormatIdc), 0xf8|byte(s.BitDepthLumaMinus8), 0xf8|byte(s.BitDepthChromaMinus8), 0)
	}
	return b, nil
}

// parseH264 reads an H.264 SPS NAL unit.
func parseH264(nal []byte) (*h264.SPS, error) {
	if len(nal) < 4 {
		return nil, fmt.Errorf("%w: %w", ErrSPS, ErrShort)
	}
	if len(nal) > MaxParameterSet {
		return nil, fmt.Errorf("%w: %w", ErrSPS, ErrLimit)
	}
	s := new(h264.SPS)
	if err := s.Unmarshal(nal); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSPS, err)
	}
	if s.ChromaFormatIdc > 3 || s.BitDepthLumaMinus8 > 6 || s.BitDepthChromaMinus8 > 6 {
		return nil, fmt.Errorf("%w: sample format out of range", ErrSPS)
	}
	return s, nil
}
