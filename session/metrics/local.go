// SPDX-License-Identifier: LGPL-2.1-or-later

package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/xp2p/xp2p/session/local"
)

// Local makes a collector of what of gives, as it is when it is asked for: the statistics of
// a local server (local.Server.Stats). The label "stream" is the name by which it has a camera
// or stream.
func Local(of func() map[string]local.Stats) prometheus.Collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("xp2p_local_"+name, help, []string{"stream"}, nil)
	}
	return &localServer{of: of,
		connected:  desc("connected", "1 while there is a connection to the camera, or a player of the stream, else 0."),
		active:     desc("active_requests", "Requests under way: players, talkers, commands."),
		requests:   desc("requests_total", "Requests of all kinds."),
		failed:     desc("failed_requests_total", "Requests for which the camera or stream was not reached, or had no room."),
		sent:       desc("sent_bytes_total", "Bytes of answers."),
		peers:      desc("peer_bytes_total", "Bytes of a 1vN stream received from other viewers, all players together."),
		source:     desc("source_bytes_total", "Bytes of a 1vN stream received from its source, all players together."),
		share:      desc("peer_share", "Part of the bytes of a 1vN stream that came from other viewers, 0 to 1."),
		lag:        desc("lag_worst_seconds", "How late a 1vN stream comes beyond what the source alone would be, the latest of the players now."),
		continuity: desc("continuity", "Part of a 1vN stream that came in time, the least of the players now, 0 to 1."),
	}
}

type localServer struct {
	of func() map[string]local.Stats

	connected, active, requests, failed, sent, peers, source, share, lag, continuity *prometheus.Desc
}

func (l *localServer) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{l.connected, l.active, l.requests, l.failed, l.sent, l.peers, l.source, l.share, l.lag, l.continuity} {
		ch <- d
	}
}

func (l *localServer) Collect(ch chan<- prometheus.Metric) {
	for name, s := range l.of() {
		counter := func(d *prometheus.Desc, n uint64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), name)
		}
		gauge := func(d *prometheus.Desc, n float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, name)
		}
		connected := 0.0
		if s.Connected {
			connected = 1
		}
		gauge(l.connected, connected)
		gauge(l.active, float64(s.Active))
		counter(l.requests, s.Requests)
		counter(l.failed, s.Failed)
		counter(l.sent, s.SentBytes)
		m := s.Many
		if m == nil {
			continue
		}
		counter(l.peers, m.PeerBytes)
		counter(l.source, m.SourceBytes)
		share := 0.0
		if n := m.PeerBytes + m.SourceBytes; n > 0 {
			share = float64(m.PeerBytes) / float64(n)
		}
		gauge(l.share, share)
		gauge(l.lag, m.LagWorst.Seconds())
		gauge(l.continuity, m.Continuity)
	}
}
