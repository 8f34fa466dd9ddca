package input

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/pion/rtp"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/h26x"
)

// videoClock is the RTP clock of H.264 and H.265 in Hz (RFC 6184 §8.2.1, RFC 7798 §7.1).
const videoClock = 90000

// rtpVideo makes units of the access units of H.264 and H.265. The parameter
// sets, from the SDP or from within the stream, become configuration units and
// leave the access units; so do delimiters.
type rtpVideo struct {
	codec   demux.Codec
	decode  func(*rtp.Packet) ([][]byte, error)
	newDTS  func() dtsExtractor
	dts     dtsExtractor
	sets    [3][][]byte // VPS, SPS, PPS
	config  []byte      // the last that was emitted
	started bool        // a key frame with its configuration has passed
	last    time.Duration
	unit    []byte // reused
}

// dtsExtractor finds decoding times, which RTP does not carry, by the pictures'
// order counts. Times are ticks.
type dtsExtractor interface {
	Extract(au [][]byte, pts int64) (int64, error)
}

// The kinds of NAL units that matter here.
const (
	setVPS = iota
	setSPS
	setPPS
	nalDelimiter
	nalOther
)

func newRTPH264(f *format.H264) (*rtpVideo, error) {
	d, err := f.CreateDecoder()
	if err != nil {
		return nil, err
	}
	v := &rtpVideo{codec: demux.H264, decode: d.Decode, newDTS: func() dtsExtractor {
		x := new(h264.DTSExtractor)
		x.Initialize()
		return x
	}}
	v.addSets([][]byte{f.SPS, f.PPS})
	return v, nil
}

func newRTPH265(f *format.H265) (*rtpVideo, error) {
	d, err := f.CreateDecoder()
	if err != nil {
		return nil, err
	}
	v := &rtpVideo{codec: demux.H265, decode: d.Decode, newDTS: func() dtsExtractor {
		x := new(h265.DTSExtractor)
		x.Initialize()
		return x
	}}
	v.addSets([][]byte{f.VPS, f.SPS, f.PPS})
	return v, nil
}

func (v *rtpVideo) packet(pkt *rtp.Packet, pts int64, emit func(*demux.Unit) error) error {
	nals, err := v.decode(pkt)
	switch {
	case errors.Is(err, rtph264.ErrMorePacketsNeeded), errors.Is(err, rtph265.ErrMorePacketsNeeded),
		errors.Is(err, rtph264.ErrNonStartingPacketAndNoPrevious), errors.Is(err, rtph265.ErrNonStartingPacketAndNoPrevious):
		return nil
	case err != nil:
		return err
	}
	return v.accessUnit(nals, pts, emit)
}

func (v *rtpVideo) accessUnit(nals [][]byte, pts int64, emit func(*demux.Unit) error) error {
	v.addSets(nals)
	pictures := slices.DeleteFunc(slices.Clone(nals), func(n []byte) bool { return v.kind(n) != nalOther })
	if len(pictures) == 0 {
		return nil
	}
	key := slices.ContainsFunc(pictures, func(n []byte) bool { return h26x.IsKey(v.codec, n) })
	if !v.started && !key {
		return nil
	}
	u := demux.Unit{Kind: demux.Video, Codec: v.codec, Key: key}
	u.DTS, u.CTS = v.times(pictures, pts, key)
	if u.DTS < v.last && !key { // a key frame may start the clock anew
		return errors.New("picture out of order")
	}
	if key {
		if err := v.emitConfig(u.DTS, emit); err != nil {
			v.started = false
			return err
		}
	}
	v.started, v.last = true, u.DTS
	v.unit = h26x.AppendUnit(v.unit[:0], pictures...)
	u.Data = v.unit
	return emit(&u)
}

// addSets takes the parameter sets from an access unit. Those of one access
// unit replace all before them of their kind.
func (v *rtpVideo) addSets(nals [][]byte) {
	var sets [3][][]byte
	for _, n := range nals {
		if k := v.kind(n); k <= setPPS {
			sets[k] = append(sets[k], bytes.Clone(n))
		}
	}
	for k := range sets {
		if len(sets[k]) > 0 {
			v.sets[k] = sets[k]
		}
	}
}

// emitConfig emits the configuration when it is another than the last.
func (v *rtpVideo) emitConfig(dts time.Duration, emit func(*demux.Unit) error) error {
	var config []byte
	var err error
	if v.codec == demux.H264 {
		config, err = h26x.BuildAVCC(v.sets[setSPS], v.sets[setPPS])
	} else {
		config, err = h26x.BuildHVCC(v.sets[setVPS], v.sets[setSPS], v.sets[setPPS])
	}
	if err != nil || bytes.Equal(config, v.config) {
		return err
	}
	v.config = config
	return emit(&demux.Unit{Kind: demux.Video, Codec: v.codec, Config: true, DTS: dts, Data: config})
}

// times finds DTS and CTS. Where the order counts do not tell (some kinds of
// them are not understood), a picture is taken to be decoded when it is shown.
func (v *rtpVideo) times(pictures [][]byte, pts int64, key bool) (dts, cts time.Duration) {
	shown := ticks(pts, videoClock)
	if v.dts == nil {
		if !key {
			return shown, 0
		}
		v.dts = v.newDTS()
	}
	au := pictures
	if key {
		// The extractor learns the parameter sets from the access unit.
		au = slices.Concat(v.sets[setVPS], v.sets[setSPS], v.sets[setPPS], pictures)
	}
	t, err := v.dts.Extract(au, pts)
	if err != nil {
		v.dts = nil
		return shown, 0
	}
	dts = ticks(t, videoClock)
	return dts, shown - dts
}

// kind says what a NAL unit is. Empty ones count as delimiters, as they are
// dropped alike.
func (v *rtpVideo) kind(nal []byte) int {
	if len(nal) == 0 {
		return nalDelimiter
	}
	if v.codec == demux.H264 {
		switch h264.NALUType(nal[0] & 0x1f) {
		case h264.NALUTypeSPS:
			return setSPS
		case h264.NALUTypePPS:
			return setPPS
		case h264.NALUTypeAccessUnitDelimiter:
			return nalDelimiter
		}
		return nalOther
	}
	switch h265.NALUType(nal[0] >> 1 & 0x3f) {
	case h265.NALUType_VPS_NUT:
		return setVPS
	case h265.NALUType_SPS_NUT:
		return setSPS
	case h265.NALUType_PPS_NUT:
		return setPPS
	case h265.NALUType_AUD_NUT:
		return nalDelimiter
	}
	return nalOther
}
