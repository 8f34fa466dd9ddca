// SPDX-License-Identifier: LGPL-2.1-or-later

package peer

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/swarm/chunk"
	"github.com/xp2p/xp2p/swarm/plan"
)

// clocked notes when each tag is read.
type clocked struct {
	mu   sync.Mutex
	when map[tagID]time.Time
	from time.Time
}

func (c *clocked) read(r io.Reader) {
	fr := flv.NewReader(r, flv.Options{Strict: true})
	var tag flv.Tag
	var u demux.Unit
	for fr.Next(&tag, &u) == nil {
		id := idOf(&tag, &u)
		now := time.Now()
		c.mu.Lock()
		if !id.config {
			c.when[id] = now
		}
		c.mu.Unlock()
	}
}

// BenchmarkSwarm is a swarm on real sockets on this machine: viewers of a 2 Mbit/s stream,
// each of which may upload 5 Mbit/s, and of the larger one a fifth of which changes every
// minute. It measures for SWARM_BENCH_SECONDS (40) behind a start of as long as it takes
// for the viewers to join and 15 s. Added lag is the time from when a plain player at the
// source has a tag to when a viewer has it.
//
//	go test -run '^$' -bench Swarm -benchtime 1x ./swarm/peer
func BenchmarkSwarm(b *testing.B) {
	seconds := 40
	if s, err := strconv.Atoi(os.Getenv("SWARM_BENCH_SECONDS")); err == nil {
		seconds = s
	}
	for _, c := range []struct {
		peers int
		churn float64 // part of the viewers per minute
	}{{10, 0}, {50, 0}, {50, 0.2}} {
		b.Run(fmt.Sprintf("peers=%d/churn=%g", c.peers, c.churn), func(b *testing.B) {
			for b.Loop() {
				benchSwarm(b, c.peers, c.churn, time.Duration(seconds)*time.Second)
			}
		})
	}
}

func benchSwarm(b *testing.B, peers int, churn float64, length time.Duration) {
	w := newWorld(b, nil)
	w.origin.Play(b, testmedia.FLV(b, testmedia.H264AAC, 10, testmedia.Options{Width: 1280, Height: 720, Kbits: 2000}))
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	truth := &clocked{when: map[tagID]time.Time{}}
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, w.url(), nil)
	res, err := w.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	var wg sync.WaitGroup
	wg.Go(func() { truth.read(res.Body) })
	type watched struct {
		*Peer
		clocked
		close func()
	}
	var all []*watched
	join := func() *watched {
		sock, id := loopback(b)
		p, err := Start(ctx, Config{URL: w.url(), Socket: sock, Identity: id, NAT: "none", MaxUpload: 5e6 / 8})
		if err != nil {
			b.Fatal(err)
		}
		v := &watched{Peer: p, clocked: clocked{when: map[tagID]time.Time{}, from: time.Now().Add(3 * time.Second)}}
		v.close = sync.OnceFunc(func() { p.Close(); sock.Close() })
		wg.Go(func() { v.clocked.read(p) })
		all = append(all, v)
		return v
	}
	defer func() {
		for _, v := range all {
			v.close()
		}
		cancel()
		wg.Wait()
	}()
	var now []*watched
	for range peers {
		now = append(now, join())
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(15 * time.Second)

	begin, cpu, before := time.Now(), cpuTime(), map[*watched]Stats{}
	for _, v := range now {
		before[v] = v.Stats()
	}
	s0, _ := w.source.Stats(path)
	rng := rand.New(rand.NewPCG(1, 2))
	after := map[*watched]Stats{}
	every := length
	if churn > 0 {
		every = time.Duration(float64(time.Minute) / (churn * float64(peers)))
	}
	for time.Since(begin) < length {
		time.Sleep(min(every, length-time.Since(begin)))
		if churn > 0 && time.Since(begin) < length {
			k := rng.IntN(len(now))
			after[now[k]] = now[k].Stats()
			now[k].close()
			now[k] = join()
		}
	}
	used := cpuTime() - cpu
	span := time.Since(begin)
	s1, _ := w.source.Stats(path)
	for _, v := range now {
		after[v] = v.Stats()
	}
	time.Sleep(2 * time.Second) // what is under way arrives

	var sum Stats
	for v, a := range after {
		o := before[v]
		sum.PeerBytes += a.PeerBytes - o.PeerBytes
		sum.SourceBytes += a.SourceBytes - o.SourceBytes
		sum.PeerChunks += a.PeerChunks - o.PeerChunks
		sum.SourceChunks += a.SourceChunks - o.SourceChunks
		sum.Duplicates += a.Duplicates - o.Duplicates
		sum.Moves += a.Moves - o.Moves
		sum.SourceRequests += a.SourceRequests - o.SourceRequests
		sum.Lost += a.Lost - o.Lost
		sum.ControlBytes += a.ControlBytes - o.ControlBytes
	}
	source := truth.snapshot()
	end := begin.Add(span)
	var lags []time.Duration
	late, expected := 0, 0
	for _, v := range all {
		got := v.snapshot()
		first, last := time.Time{}, time.Time{}
		for id := range got {
			at, ok := source[id]
			if !ok || at.Before(begin) || at.Before(v.from) || at.After(end) {
				continue
			}
			if first.IsZero() || at.Before(first) {
				first = at
			}
			if at.After(last) {
				last = at
			}
		}
		for id, at := range source {
			if at.Before(first) || at.After(last) || first.IsZero() {
				continue
			}
			expected++
			seen, ok := got[id]
			if !ok || seen.Sub(at) > plan.LateLag {
				late++
			}
			if ok {
				lags = append(lags, seen.Sub(at))
			}
		}
	}
	if len(lags) == 0 {
		b.Fatal("nothing was seen")
	}
	slices.SortFunc(lags, func(x, y time.Duration) int { return cmp.Compare(x, y) })
	total := float64(sum.PeerBytes + sum.SourceBytes)
	fromSource := float64(s1.SourceBytes-s0.SourceBytes) - float64(sum.SourceBytes+sum.PeerBytes)/float64(peers) // the player's
	chunks := float64(sum.PeerChunks + sum.SourceChunks)
	headers := chunks * (chunk.HeaderSize + 4)
	b.ReportMetric(100*(1-fromSource/total), "offload-%")
	b.ReportMetric(float64(lags[len(lags)/2].Milliseconds()), "lag-p50-ms")
	b.ReportMetric(float64(lags[len(lags)*99/100].Milliseconds()), "lag-p99-ms")
	b.ReportMetric(100*(1-float64(late)/float64(expected)), "continuity-%")
	b.ReportMetric(100*used.Seconds()/span.Seconds()/float64(peers), "cpu-%/peer")
	b.ReportMetric(100*(headers+float64(sum.ControlBytes))/(total+float64(sum.ControlBytes)), "overhead-%")
	b.ReportMetric(100*float64(sum.Duplicates)/(chunks+float64(sum.Duplicates)), "duplicates-%")
	b.ReportMetric(float64(sum.Moves), "moves")
	b.ReportMetric(float64(sum.SourceRequests), "source-requests")
	b.ReportMetric(float64(sum.Lost), "lost-chunks")
	b.ReportMetric(8*total/float64(peers)/span.Seconds()/1e6, "Mbit/s")
}

func (c *clocked) snapshot() map[tagID]time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := make(map[tagID]time.Time, len(c.when))
	for k, v := range c.when {
		m[k] = v
	}
	return m
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
