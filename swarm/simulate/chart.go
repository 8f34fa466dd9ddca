// SPDX-License-Identifier: LGPL-2.1-or-later

package simulate

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
)

// Series is a line of a Chart.
type Series struct {
	Name string
	X, Y []float64 // of equal length
}

// Chart is lines over two axes.
type Chart struct {
	Title, XLabel, YLabel string
	LogX                  bool
	MinY, MaxY            float64
	Series                []Series
}

var colours = []string{"#1f5fa8", "#c2410c", "#15803d", "#7c3aed", "#525252"}

// WriteSVG draws the chart.
func (c *Chart) WriteSVG(w io.Writer) error {
	const width, height, left, top, plotW, plotH = 640, 400, 70, 40, 400, 300
	minX, maxX := math.Inf(1), math.Inf(-1)
	scale := func(x float64) float64 {
		if c.LogX {
			return math.Log10(max(x, 1e-9))
		}
		return x
	}
	for _, s := range c.Series {
		for _, x := range s.X {
			minX, maxX = min(minX, scale(x)), max(maxX, scale(x))
		}
	}
	if !(maxX > minX) {
		maxX = minX + 1
	}
	px := func(x float64) float64 { return left + plotW*(scale(x)-minX)/(maxX-minX) }
	py := func(y float64) float64 { return top + plotH*(1-(min(max(y, c.MinY), c.MaxY)-c.MinY)/(c.MaxY-c.MinY)) }
	var b strings.Builder
	text := func(x, y float64, anchor, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s">`, x, y, anchor)
		xml.EscapeText(&b, []byte(s))
		b.WriteString("</text>\n")
	}
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n", width, height)
	fmt.Fprintf(&b, "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n", width, height)
	text(left+plotW/2, 22, "middle", c.Title)
	text(left+plotW/2, height-12, "middle", c.XLabel)
	text(8, top-12, "start", c.YLabel)
	for i := range 6 {
		y := c.MinY + (c.MaxY-c.MinY)*float64(i)/5
		fmt.Fprintf(&b, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", left, left+plotW, py(y), py(y))
		text(left-6, py(y)+4, "end", fmt.Sprintf("%.4g", y))
		x := minX + (maxX-minX)*float64(i)/5
		if c.LogX {
			x = math.Pow(10, x)
		}
		text(px(x), top+plotH+18, "middle", fmt.Sprintf("%.3g", x))
	}
	for i, s := range c.Series {
		colour := colours[i%len(colours)]
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, colour)
		for k := range s.X {
			fmt.Fprintf(&b, "%.1f,%.1f ", px(s.X[k]), py(s.Y[k]))
		}
		b.WriteString("\"/>\n")
		y := float64(top + 14 + 18*i)
		fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%.1f\" width=\"12\" height=\"3\" fill=\"%s\"/>\n", left+plotW+12, y-5, colour)
		text(left+plotW+28, y, "start", s.Name)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}
