// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bytes"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/fmp4"
)

// writeAudio records sound beside the pictures of its segment. Without any
// pictures it is recorded alone, once it has waited audioOnly for them, all of it.
func (r *Run) writeAudio(u *demux.Unit, now time.Time) error {
	known, err := r.hear(u)
	if err != nil || !known {
		return err
	}
	if r.video == nil && !r.soundOnly {
		if !r.waitedForPictures(u.DTS) {
			r.keepEarly(u, now)
			return nil
		}
		early := r.early
		r.forgetEarly()
		for i := range early {
			if err := r.writeSound(&early[i].unit, early[i].at); err != nil {
				return err
			}
		}
	}
	return r.writeSound(u, now)
}

// earlySound is a unit of sound that came while there might have been pictures yet.
type earlySound struct {
	unit demux.Unit
	at   time.Time // when it came
}

// maxEarly bounds the bytes of early sound: audioOnly of any codec in use. Beyond it what was
// kept is given up.
const maxEarly = 512 << 10

func (r *Run) keepEarly(u *demux.Unit, now time.Time) {
	if r.earlyBytes += len(u.Data); r.earlyBytes > maxEarly {
		r.camera.stats.ignored.Add(int64(len(r.early)))
		r.forgetEarly()
		r.earlyBytes = len(u.Data)
	}
	kept := earlySound{*u, now}
	kept.unit.Data = bytes.Clone(u.Data)
	r.early = append(r.early, kept)
}

func (r *Run) forgetEarly() { r.early, r.earlyBytes = nil, 0 }

// writeSound records u, whose track is known.
func (r *Run) writeSound(u *demux.Unit, now time.Time) error {
	if r.waiting && !r.soundOnly || r.strange(u.DTS) {
		r.camera.stats.ignored.Add(1)
		return nil
	}
	dts, ok := r.follow(&r.lastAudio, u.DTS, now)
	if !ok {
		return nil
	}
	r.leaveBroken()
	if r.soundOnly {
		if !r.waiting && !r.observe(dts, now) {
			r.breakOff(CauseClock)
			return nil
		}
		if r.waiting {
			r.resume(dts, now)
		}
	} else if r.waiting { // follow broke the run off
		return nil
	}
	if !r.fits(dts) {
		r.camera.stats.ignored.Add(1)
		return nil
	}
	r.turn(u, dts)
	switch {
	case r.part == nil:
	case !r.fits(dts): // turn sealed the segment's first part, which had no sound
		r.camera.stats.ignored.Add(1)
	default:
		r.addAudio(u, dts)
	}
	return nil
}

// hear finds the track that u belongs to: a codec without configuration shows by
// its first frame.
func (r *Run) hear(u *demux.Unit) (known bool, err error) {
	if r.audio != nil && r.audio.Codec == u.Codec {
		return true, nil
	}
	if u.Codec == demux.AAC || u.Codec == demux.Opus || u.Codec == demux.CodecUnknown {
		r.camera.stats.ignored.Add(1)
		return false, nil
	}
	t, err := fmp4.AudioTrack(u)
	if err != nil {
		r.camera.stats.ignored.Add(1)
		return false, nil
	}
	r.setAudio(&t)
	return true, r.changed(u.DTS)
}

// setAudio changes the sound's decoder. What the part being filled has of another
// one goes, unless its segment's tracks were fixed with it.
func (r *Run) setAudio(t *fmp4.Track) {
	r.audio = t
	r.sound = audioClock{rate: t.Rate}
	r.retrack = true
	r.camera.stats.ignored.Add(int64(len(r.early)))
	r.forgetEarly()
	if r.seg != nil && r.seg.init == nil && r.part != nil {
		r.part.as = r.part.as[:0]
		r.part.audio.reset()
		r.retrack = false
	}
}

func (r *Run) waitedForPictures(dts time.Duration) bool {
	if !r.heard || dts < r.soundFrom {
		r.heard, r.soundFrom = true, dts
		r.forgetEarly() // of another clock
	}
	r.soundOnly = dts-r.soundFrom >= audioOnly
	return r.soundOnly
}

// strange says whether a run's first sound is of another clock than its pictures.
func (r *Run) strange(dts time.Duration) bool {
	if r.lastAudio.seen || !r.lastVideo.seen || r.soundOnly {
		return false
	}
	d := dts - r.lastVideo.last
	return d > maxGap || d < -maxGap
}

// fits says whether the segment has a place for the sound at dts. Sound that its
// file has no track for gets one with the next key picture.
func (r *Run) fits(dts time.Duration) bool {
	if r.seg == nil {
		return r.soundOnly
	}
	if r.seg.init != nil && r.seg.sound != r.audio {
		r.retrack = true
		return r.soundOnly // where every unit is a key, turn makes the new segment
	}
	return dts-r.base >= r.seg.first-lateKey
}

func (r *Run) addAudio(u *demux.Unit, dts time.Duration) {
	n := r.audio.FrameSamples(u.Data)
	if n == 0 {
		r.camera.stats.ignored.Add(1)
		return
	}
	p := r.part
	pos := r.sound.place(dts-r.base, n)
	if k := len(p.as); k > 0 {
		p.as[k-1].Duration = uint32(pos - p.lastAudio)
	} else {
		p.audioStart = pos
	}
	p.lastAudio = pos
	p.as = append(p.as, fmp4.Sample{Size: uint32(len(u.Data)), Duration: n, Key: true})
	p.audio.write(u.Data)
	r.camera.stats.frames.Add(1)
	if r.soundOnly {
		r.release(r.clock.latest)
	}
}

// setTracks fixes the tracks of the segment by what its first part has, and the
// zero of their timelines, so that no sample is before it.
func (r *Run) setTracks(p *part) error {
	seg := r.seg
	seg.origin = seg.first
	if len(p.vs) > 0 {
		t := *r.video
		t.ID = 1
		seg.tracks = append(seg.tracks, t)
	}
	if len(p.as) > 0 {
		t := *r.audio
		t.ID = uint32(len(seg.tracks) + 1)
		seg.tracks = append(seg.tracks, t)
		seg.sound = r.audio
		if early := durationOf(p.audioStart, t.Rate); early < seg.first {
			// To the whole millisecond before it: pictures then stay on whole ticks.
			seg.origin = early.Truncate(time.Millisecond)
			if seg.origin > early {
				seg.origin -= time.Millisecond
			}
		}
	}
	var err error
	seg.init, err = fmp4.AppendInit(nil, seg.tracks)
	return err
}

// durationOf is n samples as time, rounded down.
func durationOf(n int64, rate int) time.Duration {
	s, rest := n/int64(rate), n%int64(rate)
	return time.Duration(s)*time.Second + time.Duration(rest)*time.Second/time.Duration(rate)
}
