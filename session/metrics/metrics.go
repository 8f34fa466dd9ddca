// SPDX-License-Identifier: LGPL-2.1-or-later

// Package metrics gives the numbers of viewers of 1vN streams to Prometheus. It is beside
// session, so that an application that wants none does not carry its library.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/xp2p/xp2p/session"
)

// Viewers makes a collector of what of gives, as it is when it is asked for: the statistics
// of streams by name. label is what the name is the value of ("stream", "camera").
func Viewers(label string, of func() map[string]session.SwarmStats) prometheus.Collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("xp2p_swarm_"+name, help, []string{label}, nil)
	}
	return &viewers{of: of,
		peers:      desc("peer_bytes_total", "Bytes received from other viewers."),
		source:     desc("source_bytes_total", "Bytes received from the source."),
		sent:       desc("sent_bytes_total", "Bytes sent to other viewers."),
		share:      desc("peer_share", "Part of the bytes that came from other viewers since the stream began, 0 to 1."),
		lag:        desc("lag_seconds", "How late the stream comes beyond what the source alone would be."),
		continuity: desc("continuity", "Part of the stream that came in time, 0 to 1."),
		links:      desc("links", "Links to other viewers."),
		parents:    desc("parent_stripes", "Of the four stripes, those that other viewers feed."),
		forged:     desc("verification_failures_total", "Pieces that the source had not signed, which were dropped."),
		duplicates: desc("duplicates_total", "Pieces that came twice."),
		reached:    desc("source_up", "1 while the source is reached, else 0."),
	}
}

type viewers struct {
	of func() map[string]session.SwarmStats

	peers, source, sent, share, lag, continuity, links, parents, forged, duplicates, reached *prometheus.Desc
}

func (v *viewers) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{v.peers, v.source, v.sent, v.share, v.lag, v.continuity, v.links, v.parents, v.forged, v.duplicates, v.reached} {
		ch <- d
	}
}

func (v *viewers) Collect(ch chan<- prometheus.Metric) {
	for name, s := range v.of() {
		counter := func(d *prometheus.Desc, n uint64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), name)
		}
		gauge := func(d *prometheus.Desc, n float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, name)
		}
		share, reached := 0.0, 0.0
		if n := s.PeerBytes + s.SourceBytes; n > 0 {
			share = float64(s.PeerBytes) / float64(n)
		}
		if s.Source {
			reached = 1
		}
		counter(v.peers, s.PeerBytes)
		counter(v.source, s.SourceBytes)
		counter(v.sent, s.SentBytes)
		gauge(v.share, share)
		gauge(v.lag, (time.Duration(s.LagMS) * time.Millisecond).Seconds())
		gauge(v.continuity, s.Continuity)
		gauge(v.links, float64(s.Links))
		gauge(v.parents, float64(s.FromPeers))
		counter(v.forged, s.Forged)
		counter(v.duplicates, s.Duplicates)
		gauge(v.reached, reached)
	}
}
