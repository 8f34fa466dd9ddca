// SPDX-License-Identifier: LGPL-2.1-or-later

package simulate

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// A chart is well-formed, whatever its names and numbers, and draws each point.
func TestChart(t *testing.T) {
	for _, c := range []Chart{
		{Title: "a < b & c", LogX: true, MinY: 0, MaxY: 1, Series: []Series{{"x", []float64{10, 100, 1000}, []float64{0, 0.5, 2}}, {"y", []float64{10}, []float64{1}}}},
		{MaxY: 1, Series: []Series{{Name: "one point", X: []float64{5}, Y: []float64{0.5}}}},
	} {
		var b strings.Builder
		if err := c.WriteSVG(&b); err != nil {
			t.Fatal(err)
		}
		lines := 0
		for d := xml.NewDecoder(strings.NewReader(b.String())); ; {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "polyline" {
				for _, a := range e.Attr {
					if a.Name.Local == "points" {
						if n := len(strings.Fields(a.Value)); n != len(c.Series[lines].X) || strings.Contains(a.Value, "NaN") {
							t.Errorf("%d points: %s", n, a.Value)
						}
					}
				}
				lines++
			}
		}
		if lines != len(c.Series) {
			t.Errorf("%d lines of %d", lines, len(c.Series))
		}
	}
}
