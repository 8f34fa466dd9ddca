// SPDX-License-Identifier: LGPL-2.1-or-later

package source

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/swarm/wire"
)

// What members report is in the numbers, each dropped viewer once however often it is said,
// and so is what they ask for again.
func TestMetrics(t *testing.T) {
	w := newWorld(t, nil)
	id, err := link.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	member := wire.Join{Pin: id.Pin().String(), Stripes: 15, Slots: 4}
	x := w.join(t.Context(), member)
	x.more(5)
	b, err := json.Marshal(member)
	if err != nil {
		t.Fatal(err)
	}
	track := wire.NewReader(w.do(t.Context(), "POST", path+"?_swarm=track&token="+x.welcome.Token, bytes.NewReader(b)).Body)
	if _, _, err := track.Next(); err != nil {
		t.Fatal(err)
	}
	report := wire.Report{P2PBytes: 3000, LagMS: 250, Continuity: 0.5, Bad: []wire.PeerID{1, 2}}
	for range 2 {
		x.tell(wire.AppendJSON(nil, wire.TypeReport, report))
	}
	x.tell(wire.AppendList(nil, wire.TypeRequest, x.seqs[:3]))

	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(w.Collector())
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if l := f.Metric[0].Label; len(l) != 1 || l[0].GetValue() != path {
			t.Errorf("%s: %v", f.GetName(), l)
		}
		got[strings.TrimPrefix(f.GetName(), "xp2p_source_")] = f.Metric[0].GetCounter().GetValue() + f.Metric[0].GetGauge().GetValue()
	}
	for name, want := range map[string]float64{"viewers": 1, "members": 1, "origin_pulls_total": 1, "peer_bytes_total": 3000, "repairs_total": 3,
		"verification_failures_total": 2, "lag_seconds": 0.25, "lag_worst_seconds": 0.25, "continuity": 0.5} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if s := got["peer_share"]; got["origin_bytes_total"] == 0 || got["sent_bytes_total"] == 0 || s <= 0 || s >= 1 {
		t.Errorf("%v", got)
	}
}
