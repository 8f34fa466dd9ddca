// SPDX-License-Identifier: LGPL-2.1-or-later

package fmp4

import (
	"bytes"
	"fmt"

	"github.com/Eyevinn/mp4ff/mp4"
)

// AppendInit appends ftyp and moov of a file that holds tracks, in their order.
// It fails on a codec that has no place in MP4 and on a configuration that the
// sample entry cannot be made of.
func AppendInit(dst []byte, tracks []Track) ([]byte, error) {
	init := mp4.NewMP4Init()
	// iso6: version 1 of trun (signed composition offsets); mp41: what old players look for.
	init.AddChild(mp4.NewFtyp("iso6", 0x200, []string{"iso6", "isom", "mp41"}))
	moov := mp4.NewMoovBox()
	init.AddChild(moov)
	moov.AddChild(mp4.CreateMvhd())
	mvex := mp4.NewMvexBox()
	for i := range tracks {
		t := &tracks[i]
		trak, err := newTrak(t)
		if err != nil {
			return dst, fmt.Errorf("track %d (%s): %w", t.ID, t.Codec, err)
		}
		moov.AddChild(trak)
		mvex.AddChild(mp4.CreateTrex(t.ID))
		moov.Mvhd.NextTrackID = t.ID + 1
	}
	moov.AddChild(mvex)
	buf := bytes.NewBuffer(dst)
	if err := init.Encode(buf); err != nil {
		return dst, fmt.Errorf("encode init: %w", err)
	}
	return buf.Bytes(), nil
}

func newTrak(t *Track) (*mp4.TrakBox, error) {
	entry, err := sampleEntry(t)
	if err != nil {
		return nil, err
	}
	media := "audio"
	if t.Video() {
		media = "video"
	}
	trak := mp4.CreateEmptyTrak(t.ID, t.Timescale(), media, "und")
	if t.Video() {
		trak.Tkhd.Width = mp4.Fixed32(t.Width << 16)
		trak.Tkhd.Height = mp4.Fixed32(t.Height << 16)
	}
	trak.Mdia.Minf.Stbl.Stsd.AddChild(entry)
	return trak, nil
}
