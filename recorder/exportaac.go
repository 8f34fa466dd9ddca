// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/fmp4"
)

// AACEncoder codes sound as AAC: most players of MP4 know no G.711.
type AACEncoder interface {
	// EncodeAAC reads linear samples, 16 bits little-endian, channels interleaved, up to
	// the end of pcm and writes them to adts as AAC-LC of the same rate, in ADTS, until
	// the last of them can be decoded. What is decoded is later than pcm by delay samples
	// of each channel. ErrNoAAC, with what to install: there is no encoder. The same
	// samples give the same AAC: exports that are broken off go on by that.
	EncodeAAC(ctx context.Context, rate, channels int, pcm io.Reader, adts io.Writer) (delay int, err error)
}

// ErrNoAAC says that G.711 cannot be turned into AAC here.
var ErrNoAAC = errors.New("recorder: there is no encoder for AAC")

// maxSound bounds the time of sound in one file, in s: damaged files may say anything.
const maxSound = 7 * 24 * 3600

// recoded is the sound of a file that is exported as AAC. The plan needs the length of
// each frame, so it is coded before anything is written, into a file without a name in the
// same directory, some 4 KB for each second. It goes between the pictures where the G.711 was.
type recoded struct {
	track  int // its place
	as     fmp4.Track
	spans  []soundSpan
	begin  int64 // on the track's clock
	places []soundPlace
	spool  *os.File // the AAC
}

// soundPlace is where sound up to a time is put.
type soundPlace struct {
	at    int64 // before it, in bytes of samples without this sound, and
	piece int   // in pieces
	until int64 // on the track's clock
}

// isG711 says whether a track is such that this is about.
func isG711(t *fmp4.Track) bool { return t.Codec == demux.ALaw || t.Codec == demux.MuLaw }

// newRecoded looks for sound in tracks that the export wants as AAC; nil: there is none.
func (x *planner) newRecoded(tracks []fmp4.Track) *recoded {
	i := slices.IndexFunc(tracks, func(t fmp4.Track) bool { return isG711(&t) })
	if !x.AAC || i < 0 {
		return nil
	}
	return &recoded{track: i}
}

// add notes a run of access units that lie behind each other at a place of seg's file,
// and gives the time when they end.
func (r *recoded) add(o *plannedFile, seg *Segment, k *fmp4.Run, base, at int64) (end int64) {
	channels := int64(o.tracks[r.track].Channels)
	if len(r.spans) == 0 {
		r.begin = base
	}
	for i := range k.Samples {
		s := &k.Samples[i]
		n := int64(s.Size) / channels
		if l := len(r.spans) - 1; i > 0 && r.spans[l].pos+r.spans[l].n == base && r.spans[l].n*channels == at-r.spans[l].at {
			r.spans[l].n += n
		} else {
			r.spans = append(r.spans, soundSpan{seg: seg, at: at, pos: base, n: n})
		}
		at += int64(s.Size)
		base += int64(s.Duration)
	}
	r.places = append(r.places, soundPlace{o.bytes, len(o.pieces), base})
	return base
}

// encode makes the AAC and puts it into the file's tables.
func (r *recoded) encode(ctx context.Context, o *plannedFile, enc AACEncoder) error {
	if len(r.spans) == 0 {
		return nil
	}
	if enc == nil {
		return ErrNoAAC
	}
	track := &o.tracks[r.track]
	pcm := newPCMReader(ctx, track, r.spans)
	defer pcm.close()
	length := pcm.end - r.begin
	if length/int64(track.Rate) > maxSound {
		return fmt.Errorf("%w: its sound is %d s long", fmp4.ErrPart, length/int64(track.Rate))
	}
	sizes, config, delay, err := r.code(ctx, filepath.Dir(o.Path), track, pcm, length, enc)
	if err != nil {
		return err
	}
	frames := (length + int64(delay) + aacFrame - 1) / aacFrame
	if int64(len(sizes)) < frames {
		return fmt.Errorf("the encoder made %d frames of AAC of %d", len(sizes), frames)
	}
	r.as = fmp4.Track{ID: track.ID, Codec: demux.AAC, Config: config[:], Rate: track.Rate, Channels: track.Channels}
	r.insert(o, sizes[:frames], int64(delay), pcm.end)
	return nil
}

// code runs the encoder and keeps what it makes in the spool.
func (r *recoded) code(ctx context.Context, dir string, track *fmp4.Track, pcm io.Reader, length int64, enc AACEncoder) (sizes []uint32, config [2]byte, delay int, err error) {
	if r.spool, err = os.CreateTemp(dir, ".export-*.aac"); err != nil {
		return nil, config, 0, err
	}
	if err := os.Remove(r.spool.Name()); err != nil {
		return nil, config, 0, err
	}
	out := bufio.NewWriterSize(r.spool, 256<<10)
	most := length/aacFrame + 64
	from, to := io.Pipe()
	done := make(chan error, 1)
	go func() { // ends when to is closed, and is waited for
		frames := newADTSReader(from)
		read := func() error {
			for {
				b, err := frames.next()
				if err == io.EOF {
					return nil
				}
				if err != nil {
					return err
				}
				if int64(len(sizes)) > most {
					return fmt.Errorf("%w: more frames than there are samples for", errADTS)
				}
				if _, err := out.Write(b); err != nil {
					return err
				}
				sizes, config = append(sizes, uint32(len(b))), frames.config
			}
		}
		err := read()
		from.CloseWithError(err)
		done <- err
	}()
	delay, err = enc.EncodeAAC(ctx, track.Rate, track.Channels, pcm, to)
	to.Close()
	if read := <-done; read != nil {
		err = read
	}
	if err != nil {
		return nil, config, 0, fmt.Errorf("sound as AAC: %w", err)
	}
	return sizes, config, delay, out.Flush()
}

// insert puts frames where the G.711 was. The first begins delay samples before it: that
// much of what is decoded is none of it.
func (r *recoded) insert(o *plannedFile, sizes []uint32, delay, end int64) {
	base := r.begin - delay
	rooms := make([]fmp4.Room, 0, len(r.places))
	type run struct {
		base, at int64
		samples  []fmp4.Sample
	}
	var runs []run
	pieces := make([]piece, 0, len(o.pieces)+len(r.places))
	kept := 0
	var spooled int64
	for i, p := range r.places {
		pieces = append(pieces, o.pieces[kept:p.piece]...)
		kept = p.piece
		now := run{base: base, at: p.at + spooled}
		var bytes int64
		for len(sizes) > 0 && (base+aacFrame <= p.until || i == len(r.places)-1) {
			length := uint32(aacFrame)
			if len(sizes) == 1 {
				length = uint32(max(1, end-base)) // the last one ends with the sound
			}
			now.samples = append(now.samples, fmp4.Sample{Size: sizes[0], Duration: length, Key: true})
			bytes += int64(sizes[0])
			sizes, base = sizes[1:], base+aacFrame
		}
		if bytes == 0 {
			continue
		}
		rooms, runs = append(rooms, fmp4.Room{At: p.at, Bytes: bytes}), append(runs, now)
		pieces = append(pieces, piece{at: spooled, n: bytes})
		spooled += bytes
	}
	o.pieces = append(pieces, o.pieces[kept:]...)
	o.movie.MakeRoom(rooms)
	for _, n := range runs {
		o.movie.Add(r.track, n.base, n.samples, n.at)
	}
	o.movie.SetTrack(r.track, &r.as)
	o.bytes += spooled
}

// begin is when a track has its first sample; false: it has none.
func (o *plannedFile) begin(track int) (ticks int64, ok bool) {
	if o.sound != nil && o.sound.track == track {
		return o.sound.begin, len(o.sound.spans) > 0
	}
	return o.movie.Begin(track)
}

// dropSound ends what sound was made into.
func (x *planner) dropSound() {
	for _, o := range x.files {
		if o.sound != nil && o.sound.spool != nil {
			o.sound.spool.Close()
		}
	}
}
