// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/session"
)

// firstKeyFrame reads a stream up to its first key frame.
func firstKeyFrame(st *session.Stream) error {
	r := flv.NewReader(st, flv.Options{})
	var tag flv.Tag
	var u demux.Unit
	for {
		if err := r.Next(&tag, &u); err != nil {
			return err
		}
		if u.Kind == demux.Video && u.Key && !u.Config {
			return nil
		}
	}
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkFirstKeyFrame is StartService and StartStream to the first key frame, with a
// warm rendezvous, on loopback.
func BenchmarkFirstKeyFrame(b *testing.B) {
	w := newWorld(b, device.Config{})
	m := w.module(nil)
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		began := time.Now()
		s, err := m.StartService(b.Context(), fmt.Sprint(i), session.StreamInfo{XP2PInfo: w.info})
		if err != nil {
			b.Fatal(err)
		}
		st, err := s.StartStream(b.Context(), session.StreamRequest{})
		if err != nil {
			b.Fatal(err)
		}
		if err := firstKeyFrame(st); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
	report(b, took)
}

// BenchmarkFirstKeyFrameWarm is the same on a service that stands.
func BenchmarkFirstKeyFrameWarm(b *testing.B) {
	w := newWorld(b, device.Config{})
	s, err := w.module(nil).StartService(b.Context(), "one", session.StreamInfo{XP2PInfo: w.info})
	if err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		st, err := s.StartStream(b.Context(), session.StreamRequest{})
		if err != nil {
			b.Fatal(err)
		}
		if err := firstKeyFrame(st); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		st.Close()
	}
	report(b, took)
}

// BenchmarkCommand is the round trip of a command on a warm service.
func BenchmarkCommand(b *testing.B) {
	w := newWorld(b, device.Config{})
	s, err := w.module(nil).StartService(b.Context(), "one", session.StreamInfo{XP2PInfo: w.info})
	if err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		if _, err := s.SendCommand(b.Context(), "action=inner_define&cmd=get_device_st"); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	report(b, took)
}
