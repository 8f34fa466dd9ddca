package flv

import (
	"fmt"

	"github.com/xp2p/xp2p/demux"
)

// appendVideoHead appends what comes before u.Data in the body of a video tag.
func appendVideoHead(dst []byte, u *demux.Unit, o WriteOptions) ([]byte, error) {
	frame := byte(frameInter)
	if u.Key || u.Config || u.EndOfSequence {
		frame = frameKey
	}
	typ, err := videoPacket(u)
	if err != nil {
		return dst, err
	}
	// The rounded presentation time decides, so that rounding does not make
	// the time between two pictures swing.
	cts := millis(u.PTS()) - millis(u.DTS)
	if cts < -1<<23 || cts >= 1<<23 {
		return dst, fmt.Errorf("%w: composition time %v", ErrTime, u.CTS)
	}
	var id byte
	switch {
	case u.Codec == demux.H264:
		id = videoH264
	case u.Codec == demux.H265 && !o.Enhanced:
		id = videoH265
	case u.Codec == demux.H265:
		if typ == packetFrames && cts == 0 {
			typ = packetFramesX
		}
		dst = append(dst, exVideo|frame<<4|typ, 'h', 'v', 'c', '1')
		if typ == packetFrames {
			dst = append(dst, byte(cts>>16), byte(cts>>8), byte(cts))
		}
		return dst, nil
	default:
		return dst, fmt.Errorf("%w: video %v", ErrCodec, u.Codec)
	}
	return append(dst, frame<<4|id, typ, byte(cts>>16), byte(cts>>8), byte(cts)), nil
}

// videoPacket is the packet type of u, whose framing it checks: what this
// package writes, it also reads.
func videoPacket(u *demux.Unit) (byte, error) {
	switch {
	case u.EndOfSequence && len(u.Data) == 0:
		return packetEnd, nil
	case u.EndOfSequence:
		return 0, fmt.Errorf("%w: an end of sequence carries no data", ErrCodec)
	case u.Config:
		return packetConfig, nil
	}
	if err := checkNALs(u.Data); err != nil {
		return 0, fmt.Errorf("flv: write %v: %w", u.Codec, err)
	}
	return packetFrames, nil
}
