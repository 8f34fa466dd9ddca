// SPDX-License-Identifier: LGPL-2.1-or-later

package flv_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/xp2p/xp2p/demux/flv"
)

func TestPosition(t *testing.T) {
	p := flv.Position{Time: time.UnixMilli(1764216311123), Speed: 0.5}
	b := flv.AppendPosition(nil, p)
	const want = "02000a6f6e506f736974696f6e" + // "onPosition"
		"0800000002" +
		"000474696d65" + "0041da49f37dc7df3b" +
		"00057370656564" + "003fe0000000000000" +
		"000009"
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	got, err := flv.ParsePosition(b)
	if err != nil || !got.Time.Equal(p.Time) || got.Speed != p.Speed {
		t.Errorf("%+v, %v", got, err)
	}
	for cut := range len(b) - 26 { // a missing end marker and what is not said are no errors
		if got, err := flv.ParsePosition(b[:cut]); err == nil {
			t.Errorf("cut at %d: %+v", cut, got)
		}
	}
	if _, err := flv.ParsePosition(flv.AppendMetadata(nil, flv.Metadata{Width: 3})); !errors.Is(err, flv.ErrNotPosition) {
		t.Errorf("onMetaData: %v", err)
	}
	for _, bad := range []flv.Position{{Time: time.Unix(-5, 0), Speed: 1}, {Time: p.Time, Speed: 0}, {Time: p.Time, Speed: -1}, {Time: p.Time, Speed: 1e9}} {
		if got, err := flv.ParsePosition(flv.AppendPosition(nil, bad)); err == nil {
			t.Errorf("%+v was believed: %+v", bad, got)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	f.Add(flv.AppendPosition(nil, flv.Position{Time: time.Unix(1764216311, 0), Speed: 16}))
	f.Add(flv.AppendMetadata(nil, flv.Metadata{Width: 640, Encoder: "x"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := flv.ParsePosition(b)
		if err != nil {
			return
		}
		q, err := flv.ParsePosition(flv.AppendPosition(nil, p))
		if err != nil || !q.Time.Equal(p.Time) || q.Speed != p.Speed {
			t.Errorf("%+v became %+v, %v", p, q, err)
		}
		if bytes.Equal(b, nil) {
			t.Error("nothing was believed")
		}
	})
}
