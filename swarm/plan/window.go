// SPDX-License-Identifier: LGPL-2.1-or-later

package plan

import (
	"time"

	"github.com/xp2p/xp2p/swarm/wire"
)

// Nobody stands for no peer where wire.Source is one.
const Nobody = ^wire.PeerID(0)

const nobody = Nobody

// slot is what is known of one sequence.
type slot struct {
	sequence uint64 // whose slot it is now; 0: nobody's
	dts      int64  // ms, when it is here
	size     int32
	here     bool
	key      bool
	tries    uint8
	asked    wire.PeerID   // of whom it was asked last
	askedAt  time.Duration // when
}

// window remembers which chunks have come, and the stream's clock.
type window struct {
	slots []slot
	next  uint64 // to be delivered; 0: nothing has come yet
	high  uint64 // behind the newest that came
	// settled is behind the chunks that came at once at the beginning: they are as old as
	// the group of pictures, for which nobody is to blame.
	settled uint64

	epoch     uint64 // first sequence of the newest epoch
	clocked   uint64 // first sequence of the epoch that base is of
	base      time.Duration
	based     bool
	drifted   time.Duration
	lastDTS   int64
	rate      float64 // bytes/s of the stream
	rateDTS   int64
	rateBytes float64
	chunkGap  time.Duration // mean from one chunk to the next
	rateCount int
}

func (w *window) init(n int) { w.slots = make([]slot, n) }

func (w *window) at(sequence uint64) *slot { return &w.slots[sequence&uint64(len(w.slots)-1)] }

// begin makes sequence the first to be delivered.
func (w *window) begin(sequence uint64) {
	w.next, w.high, w.settled = sequence, sequence, sequence
	if w.epoch == 0 {
		w.epoch = sequence
	}
}

// restart goes on with a sequence that is far ahead: what is in front of it does not come
// any more, or too late.
func (w *window) restart(sequence uint64) {
	clear(w.slots)
	w.next, w.high, w.settled = sequence, sequence, sequence
}

// put notes that a chunk came; false: it was here, or is not wanted any more.
func (w *window) put(sequence uint64, dts uint32, size int, key bool, now time.Duration) bool {
	if sequence < w.next || sequence >= w.next+uint64(len(w.slots)) {
		return false
	}
	sl := w.at(sequence)
	if sl.sequence == sequence && sl.here {
		return false
	}
	ms := w.clock(sequence, dts, now)
	if sl.sequence != sequence {
		*sl = slot{sequence: sequence}
	}
	sl.here, sl.key, sl.dts, sl.size = true, key, ms, int32(size)
	w.high = max(w.high, sequence+1)
	w.measure(ms, size)
	return true
}

// clock unwraps a chunk's time and learns when such times come at the earliest: base.
func (w *window) clock(sequence uint64, dts uint32, now time.Duration) int64 {
	fresh := !w.based || sequence >= w.epoch && w.clocked < w.epoch
	ms := w.lastDTS + int64(int32(dts-uint32(w.lastDTS)))
	at := now - time.Duration(ms)*time.Millisecond
	switch {
	case fresh:
		w.base, w.based, w.clocked, w.drifted = at, true, w.epoch, now
		w.rateDTS, w.rateBytes, w.rateCount = ms, 0, 0
	case at < w.base && sequence >= w.clocked:
		if w.base-at > 100*time.Millisecond && w.high == w.next {
			w.settled = sequence + 1
		}
		w.base = at
	}
	if ms > w.lastDTS || fresh {
		w.lastDTS = ms
	}
	return ms
}

// drift lets base follow clocks that do not run alike, 100 ppm.
func (w *window) drift(now time.Duration) {
	if w.based && now-w.drifted > time.Second {
		w.base += (now - w.drifted) / 10_000
		w.drifted = now
	}
}

// rateSpan is over how many ms of the stream its rate is taken: some key frames.
const rateSpan = 4000

// measure learns the stream's rate.
func (w *window) measure(ms int64, size int) {
	w.rateBytes += float64(size)
	w.rateCount++
	span := ms - w.rateDTS
	if span < 1000 || w.rate > 0 && span < rateSpan {
		return
	}
	rate, gap := w.rateBytes*1000/float64(span), time.Duration(span)*time.Millisecond/time.Duration(w.rateCount)
	if w.rate == 0 {
		w.rate, w.chunkGap = rate, gap
	} else {
		w.rate += (rate - w.rate) / 4
		w.chunkGap += (gap - w.chunkGap) / 4
	}
	w.rateDTS, w.rateBytes, w.rateCount = ms, 0, 0
}

func (w *window) has(sequence uint64) bool {
	sl := w.at(sequence)
	return sl.sequence == sequence && sl.here
}

// holds says whether a chunk has come and is remembered, delivered or not.
func (w *window) holds(sequence uint64) bool {
	return sequence < w.high && w.high-sequence <= uint64(len(w.slots)) && w.has(sequence)
}

// lag is how much later than at the source's earliest viewer a chunk that is here is now.
func (w *window) lag(sequence uint64, now time.Duration) time.Duration {
	return now - w.base - time.Duration(w.at(sequence).dts)*time.Millisecond
}

// missingLag is at least how late a chunk is that has not come, by the next one that has.
func (w *window) missingLag(sequence uint64, now time.Duration) (time.Duration, bool) {
	for seq := sequence + 1; seq < w.high; seq++ {
		if w.has(seq) {
			return w.lag(seq, now), true
		}
	}
	return 0, false
}

// nextKey is the first chunk behind a sequence at which decoding can begin; 0: there is none.
func (w *window) nextKey(sequence uint64) uint64 {
	for seq := sequence + 1; seq < w.high; seq++ {
		if w.has(seq) && w.at(seq).key {
			return seq
		}
	}
	return 0
}

// ask notes that a chunk is asked for.
func (w *window) ask(sequence uint64, of wire.PeerID, now time.Duration) {
	sl := w.at(sequence)
	if sl.sequence != sequence {
		*sl = slot{sequence: sequence}
	}
	sl.asked, sl.askedAt = of, now
	if sl.tries < 255 {
		sl.tries++
	}
}

// askedOf is of whom a chunk was asked; nobody: it was not.
func (w *window) askedOf(sequence uint64) wire.PeerID {
	if sl := w.at(sequence); sl.sequence == sequence && sl.tries > 0 {
		return sl.asked
	}
	return nobody
}
