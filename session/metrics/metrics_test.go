// SPDX-License-Identifier: LGPL-2.1-or-later

package metrics

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/xp2p/xp2p/session"
)

func TestViewers(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(Viewers("camera", func() map[string]session.SwarmStats {
		return map[string]session.SwarmStats{"gate": {PeerBytes: 300, SourceBytes: 100, SentBytes: 7, Links: 2, FromPeers: 3, LagMS: 250, Continuity: 0.5, Forged: 1, Duplicates: 4, Source: true}}
	}))
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			if len(m.Label) != 1 || m.Label[0].GetName() != "camera" || m.Label[0].GetValue() != "gate" {
				t.Errorf("%s: %v", f.GetName(), m.Label)
			}
			got[strings.TrimPrefix(f.GetName(), "xp2p_swarm_")] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	want := map[string]float64{"peer_bytes_total": 300, "source_bytes_total": 100, "sent_bytes_total": 7, "peer_share": 0.75, "lag_seconds": 0.25, "continuity": 0.5,
		"links": 2, "parent_stripes": 3, "verification_failures_total": 1, "duplicates_total": 4, "source_up": 1}
	for name, v := range want {
		if got[name] != v {
			t.Errorf("%s is %v, want %v", name, got[name], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d metrics, want %d: %v", len(got), len(want), got)
	}
}
