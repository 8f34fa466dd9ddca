package h26x

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// HEVCConfig is an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 §8.3.3.1).
// Its slices alias what was parsed.
type HEVCConfig struct {
	Profile       uint8 // general_profile_idc
	Tier          uint8 // general_tier_flag
	Level         uint8 // general_level_idc: 30 times the level
	LengthSize    int   // bytes of length before each NAL unit: 1 to 4
	VPS, SPS, PPS [][]byte
}

const hvccHead = 23 // bytes before the arrays

// ParseHVCC reads an HEVCDecoderConfigurationRecord. Arrays of other NAL units
// (SEI) are skipped. Errors: ErrShort, ErrVersion, ErrLimit, ErrNoSPS. Version 0
// is accepted: it is what encoders wrote before the standard was final.
func ParseHVCC(b []byte) (HEVCConfig, error) {
	var c HEVCConfig
	switch {
	case len(b) > MaxConfig:
		return c, ErrLimit
	case len(b) < hvccHead:
		return c, ErrShort
	case b[0] > 1:
		return c, ErrVersion
	}
	c.Profile, c.Tier, c.Level = b[1]&0x1f, b[1]>>5&1, b[12]
	c.LengthSize = int(b[21]&3) + 1
	r := recordReader{b[hvccHead:]}
	for range b[22] {
		if err := c.array(&r); err != nil {
			return c, err
		}
	}
	if len(c.SPS) == 0 {
		return c, ErrNoSPS
	}
	return c, nil
}

func (c *HEVCConfig) array(r *recordReader) error {
	head, err := r.byte()
	if err != nil {
		return err
	}
	count, err := r.uint16()
	if err != nil {
		return err
	}
	switch h265.NALUType(head & 0x3f) {
	case h265.NALUType_VPS_NUT:
		c.VPS, err = r.nals(c.VPS, count)
	case h265.NALUType_SPS_NUT:
		c.SPS, err = r.nals(c.SPS, count)
	case h265.NALUType_PPS_NUT:
		c.PPS, err = r.nals(c.PPS, count)
	default:
		_, err = r.nals(nil, count)
	}
	return err
}

// BuildHVCC makes an HEVCDecoderConfigurationRecord with 4-byte NAL lengths of
// parameter sets, which have neither start code nor length.
func BuildHVCC(vps, sps, pps [][]byte) ([]byte, error) {
	for _, c := range []struct {
		sets    [][]byte
		missing error
	}{{vps, ErrNoVPS}, {sps, ErrNoSPS}, {pps, ErrNoPPS}} {
		if err := checkSets(c.sets, MaxParameterSets, c.missing); err != nil {
			return nil, err
		}
	}
	s, err := parseH265(sps[0])
	if err != nil {
		return nil, err
	}
	// The 12 bytes of general profile, flags and level stand at a fixed place of
	// the SPS, once its emulation prevention bytes are gone (ITU-T H.265 §7.3.3).
	ptl := unescape(sps[0], 15)
	if len(ptl) < 15 {
		return nil, fmt.Errorf("%w: %w", ErrSPS, ErrShort)
	}
	b := append([]byte{1}, ptl[3:15]...)
	nesting := byte(0)
	if s.TemporalIDNestingFlag {
		nesting = 1
	}
	b = append(b,
		0xf0, 0x00, // min_spatial_segmentation_idc: not said
		0xfc, // parallelismType: not said
		0xfc|byte(s.ChromaFormatIdc),
		0xf8|byte(s.BitDepthLumaMinus8),
		0xf8|byte(s.BitDepthChromaMinus8),
		0, 0, // avgFrameRate: not said
		(s.MaxSubLayersMinus1+1)<<3|nesting<<2|(LengthSize-1),
		3, // arrays
	)
	for _, a := range []struct {
		typ  h265.NALUType
		sets [][]byte
	}{{h265.NALUType_VPS_NUT, vps}, {h265.NALUType_SPS_NUT, sps}, {h265.NALUType_PPS_NUT, pps}} {
		const complete = 0x80
		b = append(b, complete|byte(a.typ), byte(len(a.sets)>>8), byte(len(a.sets)))
		b = appendSets(b, a.sets)
	}
	return b, nil
}

// parseH265 reads an H.265 SPS NAL unit.
func parseH265(nal []byte) (*h265.SPS, error) {
	if len(nal) > MaxParameterSet {
		return nil, fmt.Errorf("%w: %w", ErrSPS, ErrLimit)
	}
	s := new(h265.SPS)
	if err := s.Unmarshal(nal); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSPS, err)
	}
	if s.BitDepthLumaMinus8 > 8 || s.BitDepthChromaMinus8 > 8 || s.MaxSubLayersMinus1 > 6 {
		return nil, fmt.Errorf("%w: sample format out of range", ErrSPS)
	}
	return s, nil
}

// unescape returns at most n bytes of nal without its emulation prevention bytes.
func unescape(nal []byte, n int) []byte {
	out := make([]byte, 0, n)
	zeros := 0
	for _, b := range nal {
		if len(out) == n {
			break
		}
		if zeros >= 2 && b == 3 {
			zeros = 0
			continue
		}
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
		out = append(out, b)
	}
	return out
}
