package flv

import (
	"time"

	"github.com/xp2p/xp2p/demux"
)

// Codec ids in the low half of the first byte of a video body. 12 for H.265 is
// not in the specification.
const (
	videoH264 = 7
	videoH265 = 12
)

// Frame types in the high half.
const (
	frameKey          = 1
	frameInter        = 2
	frameGeneratedKey = 4
	frameCommand      = 5
)

// Packet types of H.264 and H.265; the legacy form knows the first three.
const (
	packetConfig  = 0 // "sequence start"
	packetFrames  = 1 // with composition time
	packetEnd     = 2 // "sequence end"
	packetFramesX = 3 // composition time is 0 and left out
	packetMeta    = 4 // AMF: colour information
)

const (
	exVideo       = 0x80 // the first byte of a body with a FourCC
	fourCCSize    = 4
	avcHeaderSize = 5 // first byte, packet type, composition time
	exHeaderSize  = 1 + fourCCSize
)

// videoLengths remembers, for a stream whose NAL lengths are not 4 bytes, what
// its configuration says. Zero means 4.
type videoLengths struct {
	size int
	data []byte // the unit, rewritten; reused from unit to unit
}

// video decodes the body p of a video tag into u, whose Kind and DTS are set.
func (l *videoLengths) video(p []byte, u *demux.Unit) error {
	if len(p) == 0 {
		return ErrShortBody
	}
	if p[0]&exVideo != 0 {
		return l.exVideo(p, u)
	}
	frame := p[0] >> 4
	switch p[0] & 0x0f {
	case videoH264:
		u.Codec = demux.H264
	case videoH265:
		u.Codec = demux.H265
	}
	if u.Codec == demux.CodecUnknown || frame == frameCommand {
		u.Codec = demux.CodecUnknown
		u.Data = p[1:]
		return nil
	}
	if len(p) < avcHeaderSize {
		return ErrShortBody
	}
	if p[1] > packetEnd {
		return ErrPacketType
	}
	return l.packet(p[1], frame, p[2:], u)
}

// exVideo decodes an enhanced body. Codecs, packet types and framings that xp2p
// has no use for (AV1, multitrack, ...) become units of an unknown codec.
func (l *videoLengths) exVideo(p []byte, u *demux.Unit) error {
	if len(p) < exHeaderSize {
		return ErrShortBody
	}
	frame, typ := p[0]>>4&7, p[0]&0x0f
	switch string(p[1:exHeaderSize]) {
	case "avc1":
		u.Codec = demux.H264
	case "hvc1", "hev1":
		u.Codec = demux.H265
	}
	if typ == packetMeta {
		u.Kind, u.Codec, u.Data = demux.Data, demux.CodecUnknown, p[exHeaderSize:]
		return nil
	}
	if u.Codec == demux.CodecUnknown || typ > packetFramesX || frame == frameCommand {
		u.Codec, u.Data = demux.CodecUnknown, p[exHeaderSize:]
		return nil
	}
	p = p[exHeaderSize:]
	if typ == packetFrames {
		if len(p) < 3 {
			return ErrShortBody
		}
		return l.packet(typ, frame, p, u)
	}
	return l.unit(typ, frame, p, u)
}

// packet decodes what follows the packet type: composition time and data.
func (l *videoLengths) packet(typ, frame byte, p []byte, u *demux.Unit) error {
	if typ == packetFrames {
		u.CTS = time.Duration(int24(p)) * time.Millisecond
	}
	return l.unit(typ, frame, p[3:], u)
}

func (l *videoLengths) unit(typ, frame byte, data []byte, u *demux.Unit) error {
	switch typ {
	case packetConfig:
		u.Config = true
		return l.config(data, u)
	case packetEnd:
		u.EndOfSequence = true
		return nil
	}
	u.Key = frame == frameKey || frame == frameGeneratedKey
	u.Data = data
	if l.size == 0 {
		return checkNALs(data)
	}
	var err error
	l.data, err = widenNALs(l.data[:0], data, l.size)
	u.Data = l.data
	return err
}

// Where a decoder configuration record says how long the NAL lengths are, less
// one, in the low two bits (ISO/IEC 14496-15 §5.3.3.1 and §8.3.3.1).
const (
	avccLengthSize = 4
	avccMinSize    = 7
	hvccLengthSize = 21
	hvccMinSize    = 23
)

// config checks the start of a decoder configuration. One that announces NAL
// lengths of less than 4 bytes is rewritten, as its access units will be.
func (l *videoLengths) config(data []byte, u *demux.Unit) error {
	at, least := avccLengthSize, avccMinSize
	if u.Codec == demux.H265 {
		at, least = hvccLengthSize, hvccMinSize
	}
	if len(data) < least {
		return ErrShortBody
	}
	if u.Codec == demux.H264 && data[0] != 1 {
		return ErrBadConfig
	}
	u.Data = data
	l.size = 0
	if n := int(data[at]&3) + 1; n != lengthSize {
		l.size = n
		l.data = append(l.data[:0], data...)
		l.data[at] |= lengthSize - 1
		u.Data = l.data
	}
	return nil
}
