package flv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// ErrNotMetadata says that a script tag carries something else than onMetaData,
// which is no fault of the stream.
var ErrNotMetadata = errors.New("flv: script data is not onMetaData")

// Metadata is what onMetaData says about a stream (annex E.5). It is a
// sender's claim: the parameter sets of the codecs are the truth. Zero fields
// were not said, or said something impossible.
type Metadata struct {
	Duration     time.Duration
	Width        int     // pixels
	Height       int     // pixels
	FrameRate    float64 // pictures per second
	VideoBitrate float64 // kbit/s
	AudioBitrate float64 // kbit/s
	VideoCodec   uint32  // codec id, or a FourCC in enhanced streams
	AudioCodec   uint32  // format id, or a FourCC
	AudioRate    int     // Hz
	Stereo       bool
	Encoder      string // at most 255 bytes
}

const (
	onMetaData     = "onMetaData"
	maxEncoderName = 255
	// maxDimension bounds what is believed of a picture's size and a sampling rate.
	maxDimension  = 1 << 16
	maxSampleRate = 1 << 20
)

// ParseMetadata reads the payload of a script tag. Errors: ErrNotMetadata for
// other script data, or what is wrong with the AMF0.
func ParseMetadata(b []byte) (Metadata, error) {
	var m Metadata
	r := amfReader{b: b}
	name, err := r.value(0)
	// "@setDataFrame" is RTMP's envelope, which some recorders keep.
	if err == nil && string(name.text) == "@setDataFrame" {
		name, err = r.value(0)
	}
	if err != nil {
		return m, err
	}
	if name.marker != amfString || string(name.text) != onMetaData {
		return m, ErrNotMetadata
	}
	marker, err := r.take(1)
	if err != nil {
		return m, err
	}
	switch marker[0] {
	case amfECMAArray:
		if _, err := r.take(4); err != nil { // a count that need not be true
			return m, err
		}
	case amfObject:
	default:
		return m, fmt.Errorf("%w: it holds no properties", ErrNotMetadata)
	}
	err = r.properties(func(name []byte) error {
		v, err := r.value(1)
		if err == nil {
			m.set(string(name), v)
		}
		return err
	})
	return m, err
}

func (m *Metadata) set(name string, v amfValue) {
	switch name {
	case "duration":
		m.Duration = time.Duration(within(v.number, 1<<31) * float64(time.Second))
	case "width":
		m.Width = int(within(v.number, maxDimension))
	case "height":
		m.Height = int(within(v.number, maxDimension))
	case "framerate":
		m.FrameRate = within(v.number, 1000)
	case "videodatarate":
		m.VideoBitrate = within(v.number, 1<<31)
	case "audiodatarate":
		m.AudioBitrate = within(v.number, 1<<31)
	case "videocodecid":
		m.VideoCodec = codecID(v)
	case "audiocodecid":
		m.AudioCodec = codecID(v)
	case "audiosamplerate":
		m.AudioRate = int(within(v.number, maxSampleRate))
	case "stereo":
		m.Stereo = v.number != 0
	case "encoder":
		m.Encoder = strings.ToValidUTF8(string(v.text[:min(len(v.text), maxEncoderName)]), "")
	}
}

// within is v, or 0 when v is not in 0 to most.
func within(v, most float64) float64 {
	if v >= 0 && v <= most {
		return v
	}
	return 0
}

// codecID is a codec id or FourCC, which some senders write as text.
func codecID(v amfValue) uint32 {
	if v.marker == amfString && len(v.text) == fourCCSize {
		return binary.BigEndian.Uint32(v.text)
	}
	return uint32(within(v.number, math.MaxUint32))
}

// AppendMetadata appends m as the payload of a script tag. Zero fields are left out.
func AppendMetadata(dst []byte, m Metadata) []byte {
	dst = appendAMFName(append(dst, amfString), onMetaData)
	dst = append(dst, amfECMAArray)
	countAt := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	var count uint32
	for _, f := range []struct {
		name  string
		value float64
	}{
		{"duration", m.Duration.Seconds()},
		{"width", float64(m.Width)},
		{"height", float64(m.Height)},
		{"framerate", m.FrameRate},
		{"videodatarate", m.VideoBitrate},
		{"audiodatarate", m.AudioBitrate},
		{"videocodecid", float64(m.VideoCodec)},
		{"audiocodecid", float64(m.AudioCodec)},
		{"audiosamplerate", float64(m.AudioRate)},
	} {
		if f.value != 0 {
			dst = appendAMFNumber(dst, f.name, f.value)
			count++
		}
	}
	if m.Stereo {
		dst = appendAMFBool(dst, "stereo", true)
		count++
	}
	if m.Encoder != "" {
		dst = appendAMFString(dst, "encoder", m.Encoder[:min(len(m.Encoder), maxEncoderName)])
		count++
	}
	binary.BigEndian.PutUint32(dst[countAt:], count)
	return append(dst, 0, 0, amfObjectEnd)
}
