// SPDX-License-Identifier: LGPL-2.1-or-later

package session_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/session"
	"github.com/xp2p/xp2p/swarm/sourcetest"
)

// BenchmarkManyStart is how long a viewer waits for the first picture of a 1vN stream that
// others watch already: as plain http-flv and over the swarm, from the same source, by turns.
// Every byte to and from the source takes half of rtt more, the handshakes of TCP not.
//
//	go test -run '^$' -bench ManyStart -benchtime 40x ./session
func BenchmarkManyStart(b *testing.B) {
	for _, sealed := range []bool{false, true} {
		for _, rtt := range []time.Duration{0, 50 * time.Millisecond} {
			b.Run(fmt.Sprintf("sealed=%v/rtt=%v", sealed, rtt), func(b *testing.B) { benchManyStart(b, sealed, rtt) })
		}
	}
}

func benchManyStart(b *testing.B, sealed bool, rtt time.Duration) {
	src := sourcetest.Start(b, sealed, "/live/a.flv", streamOfCamera)
	module := func() *session.Module {
		m, err := session.Init(b.Context(), session.Config{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { m.Close() })
		return m
	}
	for range 2 { // others
		s, err := module().StartService(b.Context(), "other", session.StreamInfo{URL: src.URL, CodeURL: src.CodeURL})
		if err != nil {
			b.Fatal(err)
		}
		st, err := s.StartStream(b.Context(), session.StreamRequest{})
		if err != nil {
			b.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { io.Copy(io.Discard, st) })
		b.Cleanup(func() { st.Close(); wg.Wait() })
	}
	far := src.Base
	if rtt > 0 {
		far = delayed(b, src.Base, rtt/2)
	}
	streamURL, codeURL := strings.Replace(src.URL, src.Base, far, 1), strings.Replace(src.CodeURL, src.Base, far, 1)
	plainURL := streamURL
	if sealed {
		plainURL += "?code=" + codeURL[strings.LastIndex(codeURL, "/")+1:]
	}
	m := module()
	var plain, swarm, more []float64
	for b.Loop() {
		began := time.Now()
		client := &http.Client{Transport: &http.Transport{}}
		res, err := client.Get(plainURL)
		if err != nil {
			b.Fatal(err)
		}
		firstPicture(b, res.Body)
		p := time.Since(began)
		res.Body.Close()
		client.CloseIdleConnections()

		began = time.Now()
		s, err := m.StartService(b.Context(), "start", session.StreamInfo{URL: streamURL, CodeURL: codeURL})
		if err != nil {
			b.Fatal(err)
		}
		st, err := s.StartStream(b.Context(), session.StreamRequest{})
		if err != nil {
			b.Fatal(err)
		}
		firstPicture(b, st)
		v := time.Since(began)
		if _, ok := s.Swarm(); !ok {
			b.Fatal("it came without a swarm")
		}
		s.Close()
		plain, swarm, more = append(plain, p.Seconds()), append(swarm, v.Seconds()), append(more, (v-p).Seconds())
	}
	for name, l := range map[string][]float64{"plain": plain, "swarm": swarm, "slower": more} {
		slices.Sort(l)
		b.ReportMetric(1000*l[len(l)/2], name+"-p50-ms")
		b.ReportMetric(1000*l[len(l)*95/100], name+"-p95-ms")
	}
}

func firstPicture(b *testing.B, r io.Reader) {
	b.Helper()
	fr := flv.NewReader(r, flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	for {
		if err := fr.Next(&tag, &u); err != nil {
			b.Fatal(err)
		}
		if u.Kind == demux.Video && !u.Config {
			return
		}
	}
}

// delayed is a way to an http server on which bytes take that long in each direction.
func delayed(b *testing.B, to string, by time.Duration) (base string) {
	b.Helper()
	u, err := url.Parse(to)
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	b.Cleanup(func() { cancel(); ln.Close(); wg.Wait() })
	pass := func(from, to net.Conn) {
		type late struct {
			b    []byte
			when time.Time
		}
		queue := make(chan late, 1024) // full: the sender waits, as on a line
		wg.Go(func() {
			defer close(queue)
			for {
				buf := make([]byte, 32<<10)
				n, err := from.Read(buf)
				if err != nil {
					return
				}
				queue <- late{buf[:n], time.Now().Add(by)}
			}
		})
		wg.Go(func() {
			defer from.Close()
			defer to.Close()
			for l := range queue {
				time.Sleep(time.Until(l.when))
				if _, err := to.Write(l.b); err != nil {
					from.Close()
				}
			}
		})
	}
	wg.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", u.Host)
			if err != nil {
				near.Close()
				continue
			}
			context.AfterFunc(ctx, func() { near.Close(); far.Close() })
			pass(near, far)
			pass(far, near)
		}
	})
	return "http://" + ln.Addr().String()
}
