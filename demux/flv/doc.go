// Package flv reads and writes FLV, the container in which cameras send live
// media, recordings and talkback.
//
// A stream is a header followed by tags; every tag is followed by its own size
// (Adobe FLV File Format Specification 10.1, annex E; all numbers big-endian):
//
//	header   'F' 'L' 'V' | version 8 | 0000 0 audio 0 video | header size 32 | 0 32
//	tag      00 0 type 5 | body size 24 | time 24 | time bits 31..24 | stream id 24, always 0
//	         body
//	         11 + body size 32                                   "PreviousTagSize"
//
//	video    frame type 4, codec id 4 | packet type 8 | composition time, signed 24 | data
//	         1 frame type 3, packet type 4 | FourCC 32 | [signed 24] | data           enhanced
//	audio    format 4, rate 2, 16 bit 1, stereo 1 | [AAC packet type 8] | data
//	         1001, packet type 4 | FourCC 32 | data                                   enhanced
//	script   AMF0 string "onMetaData" | AMF0 ECMA array
//
// "Enhanced" is the Enhanced RTMP specification, versions 1 and 2, which puts a
// FourCC in the place of the 4-bit codec id. H.265 comes in both dressings: as
// codec id 12, which no specification has but most cameras use, and as "hvc1".
//
// The bytes come from a network, so nothing in them is believed: sizes are
// checked before they are used, buffers are bounded by Options.MaxTag, and a
// stream that is damaged is searched for its next whole tag in time linear in
// the bytes received. What is found does not depend on how the bytes were cut
// into pieces on their way.
package flv
