package flv_test

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// unitCase is one tag, byte for byte, and what it means. The same cases drive
// decoding, encoding and the seeds of the fuzz target.
type unitCase struct {
	name  string
	tag   string // hex; spaces between the fields
	unit  demux.Unit
	write flv.WriteOptions
	// foreign: a tag that we read and write differently.
	foreign bool
}

const ms = time.Millisecond

var unitCases = []unitCase{
	{
		name: "h264 config",
		tag:  "09 00000f 000000 00 000000 17 00 000000 01 64001e ff e10001 67 00 0000001a",
		unit: demux.Unit{Kind: demux.Video, Codec: demux.H264, Config: true, Data: unhex("01 64001e ff e10001 67 00")},
	},
	{
		name: "h264 key frame",
		tag:  "09 00000c 000028 00 000000 17 01 000050 00000003 658880 00000017",
		unit: demux.Unit{Kind: demux.Video, Codec: demux.H264, Key: true, DTS: 40 * ms, CTS: 80 * ms, Data: unhex("00000003 658880")},
	},
	{
		name: "h264 two NAL units, negative composition time, extended timestamp",
		tag:  "09 000010 000000 01 000000 27 01 ffffd8 00000001 09 00000002 4101 0000001b",
		unit: demux.Unit{Kind: demux.Video, Codec: demux.H264, DTS: (1 << 24) * ms, CTS: -40 * ms, Data: unhex("00000001 09 00000002 4101")},
	},
	{
		name: "h264 end of sequence",
		tag:  "09 000005 000064 00 000000 17 02 000000 00000010",
		unit: demux.Unit{Kind: demux.Video, Codec: demux.H264, EndOfSequence: true, DTS: 100 * ms},
	},
	{
		name: "h264 generated key frame",
		tag:  "09 00000a 000000 00 000000 47 01 000000 00000001 65 00000015",
		unit: demux.Unit{Kind: demux.Video, Codec: demux.H264, Key: true, Data: unhex("00000001 65")}, foreign: true,
	},
	{
		name: "h264 enhanced",
		tag:  "09 00000d 000000 00 000000 91 61766331 000000 00000001 65 00000018",
		unit: demux.Unit{Kind: demux.Video, Codec: demux.H264, Key: true, Data: unhex("00000001 65")}, foreign: true,
	},
	{
		name: "h265 config, codec id 12",
		tag:  "09 00001c 000000 00 000000 1c 00 000000 " + hvcc + " 00000027",
		unit: demux.Unit{Kind: demux.Video, Codec: demux.H265, Config: true, Data: unhex(hvcc)},
	},
	{
		name: "h265 frame, codec id 12",
		tag:  "09 00000b 000028 00 000000 2c 01 000028 00000002 0201 00000016",
		unit: demux.Unit{Kind: demux.Video, Codec: demux.H265, DTS: 40 * ms, CTS: 40 * ms, Data: unhex("00000002 0201")},
	},
	{
		name:  "h265 config, hvc1",
		tag:   "09 00001c 000000 00 000000 90 68766331 " + hvcc + " 00000027",
		unit:  demux.Unit{Kind: demux.Video, Codec: demux.H265, Config: true, Data: unhex(hvcc)},
		write: flv.WriteOptions{Enhanced: true},
	},
	{
		name:  "h265 frame with composition time, hvc1",
		tag:   "09 00000e 000028 00 000000 91 68766331 000028 00000002 2601 00000019",
		unit:  demux.Unit{Kind: demux.Video, Codec: demux.H265, Key: true, DTS: 40 * ms, CTS: 40 * ms, Data: unhex("00000002 2601")},
		write: flv.WriteOptions{Enhanced: true},
	},
	{
		name:  "h265 frame without composition time, hvc1",
		tag:   "09 00000b 000028 00 000000 a3 68766331 00000002 0201 00000016",
		unit:  demux.Unit{Kind: demux.Video, Codec: demux.H265, DTS: 40 * ms, Data: unhex("00000002 0201")},
		write: flv.WriteOptions{Enhanced: true},
	},
	{
		name:  "h265 end of sequence, hvc1",
		tag:   "09 000005 000028 00 000000 92 68766331 00000010",
		unit:  demux.Unit{Kind: demux.Video, Codec: demux.H265, EndOfSequence: true, DTS: 40 * ms},
		write: flv.WriteOptions{Enhanced: true},
	},
	{
		name: "enhanced metadata",
		tag:  "09 000008 000000 00 000000 94 68766331 020000 00000013",
		unit: demux.Unit{Kind: demux.Data, Data: unhex("020000")}, foreign: true,
	},
	{
		name: "av1",
		tag:  "09 000007 000000 00 000000 91 61763031 1200 00000012",
		unit: demux.Unit{Kind: demux.Video, Data: unhex("1200")}, foreign: true,
	},
	{
		name: "h263",
		tag:  "09 000003 000000 00 000000 12 0000 0000000e",
		unit: demux.Unit{Kind: demux.Video, Data: unhex("0000")}, foreign: true,
	},
	{
		name: "aac config",
		tag:  "08 000004 000000 00 000000 af 00 1208 0000000f",
		unit: demux.Unit{Kind: demux.Audio, Codec: demux.AAC, Config: true, Data: unhex("1208")},
	},
	{
		name: "aac",
		tag:  "08 000005 000017 00 000000 af 01 210049 00000010",
		unit: demux.Unit{Kind: demux.Audio, Codec: demux.AAC, Key: true, DTS: 23 * ms, Data: unhex("210049")},
	},
	{
		name: "aac enhanced",
		tag:  "08 000007 000000 00 000000 91 6d703461 2100 00000012",
		unit: demux.Unit{Kind: demux.Audio, Codec: demux.AAC, Key: true, Data: unhex("2100")}, foreign: true,
	},
	{
		name: "mp3",
		tag:  "08 000005 000000 00 000000 2e fffb9064 00000010",
		unit: demux.Unit{Kind: demux.Audio, Codec: demux.MP3, Key: true, Rate: 44100, Channels: 1, Data: unhex("fffb9064")},
	},
	{
		name: "mp3 at 8 kHz",
		tag:  "08 000005 000000 00 000000 e2 ffe31864 00000010",
		unit: demux.Unit{Kind: demux.Audio, Codec: demux.MP3, Key: true, Rate: 8000, Channels: 1, Data: unhex("ffe31864")},
	},
	{
		name: "a-law",
		tag:  "08 000004 000014 00 000000 72 d5d5d5 0000000f",
		unit: demux.Unit{Kind: demux.Audio, Codec: demux.ALaw, Key: true, DTS: 20 * ms, Rate: 8000, Channels: 1, Data: unhex("d5d5d5")},
	},
	{
		name: "mu-law, stereo",
		tag:  "08 000005 000014 00 000000 83 ffffffff 00000010",
		unit: demux.Unit{Kind: demux.Audio, Codec: demux.MuLaw, Key: true, DTS: 20 * ms, Rate: 8000, Channels: 2, Data: unhex("ffffffff")},
	},
	{
		name: "pcm",
		tag:  "08 000005 000000 00 000000 36 00010002 00000010",
		unit: demux.Unit{Kind: demux.Audio, Codec: demux.PCM, Key: true, Rate: 11025, Channels: 1, Data: unhex("00010002")},
	},
	{
		name: "pcm in the sender's byte order",
		tag:  "08 000003 000000 00 000000 06 0001 0000000e",
		unit: demux.Unit{Kind: demux.Audio, Key: true, Rate: 11025, Channels: 1, Data: unhex("0001")}, foreign: true,
	},
	{
		name: "opus config",
		tag:  "08 000018 000000 00 000000 90 4f707573 4f7075734865616401013801 80bb0000000000 00000023",
		unit: demux.Unit{Kind: demux.Audio, Codec: demux.Opus, Config: true, Data: unhex("4f7075734865616401013801 80bb0000000000")},
	},
	{
		name: "opus",
		tag:  "08 000008 000000 00 000000 91 4f707573 fc0102 00000013",
		unit: demux.Unit{Kind: demux.Audio, Codec: demux.Opus, Key: true, Data: unhex("fc0102")},
	},
	{
		name: "opus, format id 13",
		tag:  "08 000004 000000 00 000000 df fc0102 0000000f",
		unit: demux.Unit{Kind: demux.Audio, Codec: demux.Opus, Key: true, Rate: 48000, Channels: 2, Data: unhex("fc0102")}, foreign: true,
	},
	{
		name: "script",
		tag:  "12 000003 000000 00 000000 020000 0000000e",
		unit: demux.Unit{Kind: demux.Data, Data: unhex("020000")},
	},
	{
		name: "PreviousTagSize 0",
		tag:  "08 000004 000014 00 000000 72 d5d5d5 00000000",
		unit: demux.Unit{Kind: demux.Audio, Codec: demux.ALaw, Key: true, DTS: 20 * ms, Rate: 8000, Channels: 1, Data: unhex("d5d5d5")}, foreign: true,
	},
	{
		name: "PreviousTagSize without the tag header",
		tag:  "08 000004 000014 00 000000 72 d5d5d5 00000004",
		unit: demux.Unit{Kind: demux.Audio, Codec: demux.ALaw, Key: true, DTS: 20 * ms, Rate: 8000, Channels: 1, Data: unhex("d5d5d5")}, foreign: true,
	},
}

// hvcc is the 23-byte head of an HEVCDecoderConfigurationRecord without arrays.
const hvcc = "01 01 60000000 900000000000 5d f000 fc fd f8 f8 0000 0f 00"

// damageCase is one whole tag that must be refused, and the reason.
type damageCase struct {
	name string
	tag  string
	err  error
}

var damageCases = []damageCase{
	{"empty video", "09 000000 000000 00 000000 0000000b", flv.ErrShortBody},
	{"video of two bytes", "09 000002 000000 00 000000 17 01 0000000d", flv.ErrShortBody},
	{"no NAL unit", "09 000005 000000 00 000000 17 01 000000 00000010", flv.ErrShortBody},
	{"NAL length 0", "09 00000a 000000 00 000000 17 01 000000 00000000 65 00000015", flv.ErrNALSize},
	{"NAL past the end", "09 00000a 000000 00 000000 17 01 000000 00000002 65 00000015", flv.ErrNALSize},
	{"NAL length 2^32-1", "09 00000a 000000 00 000000 17 01 000000 ffffffff 65 00000015", flv.ErrNALSize},
	{"bytes behind the last NAL", "09 00000b 000000 00 000000 17 01 000000 00000001 65 00 00000016", flv.ErrNALSize},
	{"packet type 3 without a FourCC", "09 00000a 000000 00 000000 17 03 000000 00000001 65 00000015", flv.ErrPacketType},
	{"short avcC", "09 000008 000000 00 000000 17 00 000000 016400 00000013", flv.ErrShortBody},
	{"avcC version 0", "09 00000c 000000 00 000000 17 00 000000 0064001effe100 00000017", flv.ErrBadConfig},
	{"short hvcC", "09 000008 000000 00 000000 1c 00 000000 010000 00000013", flv.ErrShortBody},
	{"half a FourCC", "09 000003 000000 00 000000 91 6876 0000000e", flv.ErrShortBody},
	{"hvc1 without composition time", "09 000007 000000 00 000000 91 68766331 0000 00000012", flv.ErrShortBody},
	{"hvc1 with NAL length 0", "09 00000b 000000 00 000000 93 68766331 00000000 0000 00000016", flv.ErrNALSize},
	{"empty audio", "08 000000 000000 00 000000 0000000b", flv.ErrShortBody},
	{"audio of one byte", "08 000001 000000 00 000000 72 0000000c", flv.ErrShortBody},
	{"empty aac", "08 000002 000000 00 000000 af 01 0000000d", flv.ErrShortBody},
	{"short aac config", "08 000003 000000 00 000000 af 00 12 0000000e", flv.ErrShortBody},
	{"aac packet type 2", "08 000003 000000 00 000000 af 02 12 0000000e", flv.ErrPacketType},
	{"odd pcm", "08 000004 000000 00 000000 3e 000100 0000000f", flv.ErrSampleSize},
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestCasesAreWellFormed(t *testing.T) {
	for _, c := range unitCases {
		b := unhex(c.tag)
		if n := int(b[1])<<16 | int(b[2])<<8 | int(b[3]); len(b) != n+15 {
			t.Errorf("%s: body size %d, tag of %d bytes", c.name, n, len(b))
		}
	}
	for _, c := range damageCases {
		b := unhex(c.tag)
		if n := int(b[1])<<16 | int(b[2])<<8 | int(b[3]); len(b) != n+15 {
			t.Errorf("%s: body size %d, tag of %d bytes", c.name, n, len(b))
		}
	}
}
