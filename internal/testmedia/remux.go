package testmedia

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// remux copies the tracks of the MP4 file from into the FLV file to, tag by tag
// in the order of their decoding times. It is for what ffmpeg itself cannot
// write: FLV with H.265.
func remux(to, from string, o flv.WriteOptions) error {
	units, err := Units(from)
	if err != nil {
		return err
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	b := bufio.NewWriter(f)
	w := flv.NewWriter(b, o)

	has := func(k demux.Kind) bool {
		return slices.ContainsFunc(units, func(u demux.Unit) bool { return u.Kind == k })
	}
	if err := w.WriteHeader(has(demux.Video), has(demux.Audio)); err != nil {
		return err
	}
	for i := range units {
		if err := w.WriteUnit(&units[i]); err != nil {
			return err
		}
	}
	if err := b.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// Units reads an MP4 file that ffmpeg made as units in the order of their
// decoding times, each track's configuration first.
func Units(path string) ([]demux.Unit, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, err := mp4.DecodeFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	var units []demux.Unit
	for _, trak := range file.Moov.Traks {
		if units, err = appendTrack(units, trak, data); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
	}
	slices.SortStableFunc(units, func(a, b demux.Unit) int { return int(a.DTS - b.DTS) })
	return units, nil
}

func appendTrack(units []demux.Unit, trak *mp4.TrakBox, data []byte) ([]demux.Unit, error) {
	u, err := config(trak.Mdia.Minf.Stbl.Stsd)
	if err != nil {
		return nil, err
	}
	units = append(units, u)
	u.Config = false

	scale := time.Duration(trak.Mdia.Mdhd.Timescale)
	samples, err := trak.GetSampleData(1, trak.GetNrSamples())
	if err != nil {
		return nil, err
	}
	var at time.Duration
	for i, s := range samples {
		r, err := trak.GetRangesForSampleInterval(uint32(i+1), uint32(i+1))
		if err != nil {
			return nil, err
		}
		u.Key = u.Kind == demux.Audio || s.IsSync()
		u.DTS = at * time.Second / scale
		u.CTS = time.Duration(s.CompositionTimeOffset) * time.Second / scale
		u.Data = data[r[0].Offset:][:r[0].Size]
		units = append(units, u)
		at += time.Duration(s.Dur)
	}
	return units, nil
}

// config is the configuration unit of a track.
func config(stsd *mp4.StsdBox) (demux.Unit, error) {
	var b bytes.Buffer
	u := demux.Unit{Config: true}
	switch entry := stsd.Children[0].(type) {
	case *mp4.VisualSampleEntryBox:
		u.Kind = demux.Video
		switch {
		case entry.AvcC != nil:
			u.Codec = demux.H264
			if err := entry.AvcC.DecConfRec.Encode(&b); err != nil {
				return u, err
			}
		case entry.HvcC != nil:
			u.Codec = demux.H265
			if err := entry.HvcC.DecConfRec.Encode(&b); err != nil {
				return u, err
			}
		default:
			return u, fmt.Errorf("no codec known for %s", entry.Type())
		}
		u.Data = b.Bytes()
	case *mp4.AudioSampleEntryBox:
		if entry.Esds == nil {
			return u, fmt.Errorf("no codec known for %s", entry.Type())
		}
		u.Kind, u.Codec = demux.Audio, demux.AAC
		u.Data = entry.Esds.DecConfigDescriptor.DecSpecificInfo.DecConfig
	default:
		return u, fmt.Errorf("no track known for %s", entry.Type())
	}
	return u, nil
}
