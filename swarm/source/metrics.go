// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func desc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("xp2p_source_"+name, help, []string{"stream"}, nil)
}

var (
	metricViewers    = desc("viewers", "Viewers of the stream now, players included.")
	metricMembers    = desc("members", "Viewers that the tracker knows as members of the swarm.")
	metricLeads      = desc("leads", "1 where this source cuts and signs the stream, 0 where it passes on another one's.")
	metricSources    = desc("other_sources", "Other sources of the stream that are known.")
	metricPulls      = desc("origin_pulls_total", "Connections to the origin.")
	metricOrigin     = desc("origin_bytes_total", "Bytes received from the origin.")
	metricSent       = desc("sent_bytes_total", "Bytes sent to viewers by the source.")
	metricPeer       = desc("peer_bytes_total", "Bytes that viewers had from each other, by their own account.")
	metricShare      = desc("peer_share", "Part of the viewers' bytes that came from each other since the start, 0 to 1.")
	metricRepairs    = desc("repairs_total", "Chunks that viewers missed and asked the source for.")
	metricPolluted   = desc("verification_failures_total", "Times that a viewer dropped another one for what the source had not signed.")
	metricLag        = desc("lag_seconds", "How late chunks come beyond what the source alone would be, mean of all members.")
	metricLagWorst   = desc("lag_worst_seconds", "The same of the member with the most.")
	metricContinuity = desc("continuity", "Part of chunks that came in time, mean of all members, 0 to 1.")
)

// Collector gives the source's numbers to Prometheus, as they are when they are asked for;
// the label stream is its path.
func (s *Source) Collector() prometheus.Collector { return collector{s} }

type collector struct{ s *Source }

func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{metricViewers, metricMembers, metricLeads, metricSources, metricPulls, metricOrigin, metricSent, metricPeer, metricShare, metricRepairs,
		metricPolluted, metricLag, metricLagWorst, metricContinuity} {
		ch <- d
	}
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	for path := range c.s.streams {
		st, _ := c.s.Stats(path)
		counter := func(d *prometheus.Desc, v uint64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), path)
		}
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, path)
		}
		share := 0.0
		if n := st.PeerBytes + st.SourceBytes; n > 0 {
			share = float64(st.PeerBytes) / float64(n)
		}
		gauge(metricViewers, float64(st.Viewers))
		gauge(metricMembers, float64(st.Members))
		leads := 0.0
		if st.Leads {
			leads = 1
		}
		gauge(metricLeads, leads)
		gauge(metricSources, float64(st.Mirrors))
		counter(metricPulls, st.Pulls)
		counter(metricOrigin, st.OriginBytes)
		counter(metricSent, st.SourceBytes)
		counter(metricPeer, st.PeerBytes)
		gauge(metricShare, share)
		counter(metricRepairs, st.Asked)
		counter(metricPolluted, st.Polluted)
		gauge(metricLag, st.LagMean.Seconds())
		gauge(metricLagWorst, st.LagWorst.Seconds())
		gauge(metricContinuity, st.Continuity)
	}
}

// counting counts what is read.
type counting struct {
	io.Reader
	n *atomic.Uint64
}

func (c counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(uint64(n))
	return n, err
}

// account adds what members report to a stream's statistics.
func (m *room) account(out *Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out.Polluted = m.polluted
	n, lag, continuity := 0, time.Duration(0), 0.0
	for _, v := range m.byID {
		if v.reported {
			n++
			lag += v.lag
			continuity += v.continuity
			out.LagWorst = max(out.LagWorst, v.lag)
		}
	}
	if n > 0 {
		out.LagMean, out.Continuity = lag/time.Duration(n), continuity/float64(n)
	}
}
