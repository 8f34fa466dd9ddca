// SPDX-License-Identifier: LGPL-2.1-or-later

package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/xp2p/xp2p/session"
	"github.com/xp2p/xp2p/session/local"
)

// gather reads all metrics of a collector, each of which has one label.
func gather(t *testing.T, c prometheus.Collector, prefix, label, value string) map[string]float64 {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			if len(m.Label) != 1 || m.Label[0].GetName() != label {
				t.Errorf("%s: %v", f.GetName(), m.Label)
			} else if m.Label[0].GetValue() == value {
				got[strings.TrimPrefix(f.GetName(), prefix)] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return got
}

func TestViewers(t *testing.T) {
	got := gather(t, Viewers("camera", func() map[string]session.SwarmStats {
		return map[string]session.SwarmStats{"gate": {PeerBytes: 300, SourceBytes: 100, SentBytes: 7, Links: 2, FromPeers: 3, LagMS: 250, Continuity: 0.5, Forged: 1, Duplicates: 4, Source: true}}
	}), "xp2p_swarm_", "camera", "gate")
	want := map[string]float64{"peer_bytes_total": 300, "source_bytes_total": 100, "sent_bytes_total": 7, "peer_share": 0.75, "lag_seconds": 0.25, "continuity": 0.5,
		"links": 2, "parent_stripes": 3, "verification_failures_total": 1, "duplicates_total": 4, "source_up": 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestLocal(t *testing.T) {
	c := Local(func() map[string]local.Stats {
		return map[string]local.Stats{
			"SHOP_front": {Connected: true, Active: 2, Requests: 9, Failed: 1, SentBytes: 1000},
			"square":     {Requests: 3, SentBytes: 50, Many: &local.ManyStats{PeerBytes: 300, SourceBytes: 100, LagWorst: 250 * time.Millisecond, Continuity: 0.5}},
		}
	})
	camera := map[string]float64{"connected": 1, "active_requests": 2, "requests_total": 9, "failed_requests_total": 1, "sent_bytes_total": 1000}
	if d := cmp.Diff(camera, gather(t, c, "xp2p_local_", "stream", "SHOP_front")); d != "" {
		t.Error(d)
	}
	many := map[string]float64{"connected": 0, "active_requests": 0, "requests_total": 3, "failed_requests_total": 0, "sent_bytes_total": 50,
		"peer_bytes_total": 300, "source_bytes_total": 100, "peer_share": 0.75, "lag_worst_seconds": 0.25, "continuity": 0.5}
	if d := cmp.Diff(many, gather(t, c, "xp2p_local_", "stream", "square")); d != "" {
		t.Error(d)
	}
}
