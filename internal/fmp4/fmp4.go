// SPDX-License-Identifier: LGPL-2.1-or-later

// Package fmp4 writes and reads back fragmented MP4 (ISO/IEC 14496-12) for
// recordings: one init (ftyp, moov) and then any number of parts, each
//
//	prft  when the part was captured, on the wall and in the media  (§8.16.5)
//	moof  mfhd, one traf per track: tfhd, tfdt (64 bit), trun       (§8.8)
//	mdat  the bytes of the first track, then those of the second    (§8.1.1)
//
// A file that ends after any whole part is a valid file, so a recording that
// was cut by a power failure plays as far as it was written.
//
// Sample bytes never pass through this package: [AppendPart] makes the header
// of a part, up to and including that of its mdat, and the caller writes the
// bytes behind it in one go. The init is made of mp4ff's boxes; decoder records
// are copied into it as they are and no parameter set of a camera is given to
// mp4ff's parsers, which do not bound what they allocate.
package fmp4

import "github.com/xp2p/xp2p/demux"

// VideoTimescale is the clock of every video track, in ticks per second.
// Milliseconds, the clock of FLV, are whole ticks of it.
const VideoTimescale = 90000

// Track is one track of a file.
type Track struct {
	ID    uint32 // from 1, in the order of the tracks
	Codec demux.Codec
	// Config is the decoder's configuration in the form of demux.Codec's comments;
	// empty for MP3, G.711 and PCM.
	Config []byte
	// Width and Height of video, in luma samples.
	Width, Height int
	// Rate and Channels of audio. Rate is the track's timescale too.
	Rate, Channels int
}

// Video says whether the track is one of pictures.
func (t *Track) Video() bool { return t.Codec == demux.H264 || t.Codec == demux.H265 }

// Timescale is the track's clock in ticks per second.
func (t *Track) Timescale() uint32 {
	if t.Video() {
		return VideoTimescale
	}
	return uint32(t.Rate)
}
