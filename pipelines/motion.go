// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// motionParams are read by the detector and not by the line.
var motionParams = []string{"threshold", "area", "hold"}

// Pictures that are looked at: one byte of grey per pixel, no padding.
const (
	lookWidth, lookHeight = 160, 90
	cellSize              = 10
	cellColumns           = lookWidth / cellSize
	cellRows              = lookHeight / cellSize
	cells                 = cellColumns * cellRows
)

// Motion is what moves in a picture, or that nothing does any more.
type Motion struct {
	Moving bool `json:"moving"`
	// Area is the moving part of the picture, 0 to 1; X, Y, W and H are the rectangle
	// around it, in parts of the picture's width and height, from its upper left.
	// They are those of the moment that the motion began; 0 when it has ended.
	Area float64 `json:"area"`
	X    float64 `json:"x"`
	Y    float64 `json:"y"`
	W    float64 `json:"w"`
	H    float64 `json:"h"`
}

// detector compares the mean grey of cells with what it has been. What has stopped to
// move becomes part of the background after a while; what passes leaves no trace in
// it. A change that all cells share is light and not motion.
type detector struct {
	threshold float64       // levels
	area      float64       // 0 to 1
	hold      time.Duration // without motion until it has ended

	background [cells]float64
	foreign    [cells]int // pictures in a row in which the cell was not its background
	seen       int
	streak     int // pictures in a row with motion
	moving     bool
	last       time.Time // when something moved
}

const (
	// settle is how many pictures the background takes before anything counts.
	settle = 3
	// streakLeast is how many pictures in a row must differ: one may be noise.
	streakLeast = 2
	// follow is by which part the background goes towards each picture.
	follow = 0.1
	// absorb is how many pictures in a row make what is new part of the background.
	absorb = 50
)

func newDetector(values func(name string) (string, error)) (*detector, error) {
	number := func(name string, otherwise int) (float64, error) {
		v, err := values(name)
		if err != nil { // a line of the user's own need not have it
			return float64(otherwise), nil
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return 0, &ParamError{name, fmt.Sprintf("%q must be a number", v)}
		}
		return float64(n), nil
	}
	threshold, err := number("threshold", 12)
	if err != nil {
		return nil, err
	}
	area, err := number("area", 1)
	if err != nil {
		return nil, err
	}
	hold, err := number("hold", 3000)
	if err != nil {
		return nil, err
	}
	return &detector{threshold: threshold, area: area / 100, hold: time.Duration(hold) * time.Millisecond}, nil
}

// watch reads pictures until they end and says when motion begins and ends. An end
// in mid-picture is one too: the pipeline was stopped.
func (d *detector) watch(r io.Reader, now func() time.Time, say func(Motion)) {
	picture := make([]byte, lookWidth*lookHeight)
	for {
		if _, err := io.ReadFull(r, picture); err != nil {
			break
		}
		if m, changed := d.look(picture, now()); changed {
			say(m)
		}
	}
	if d.moving {
		d.moving = false
		say(Motion{})
	}
}

// look takes the next picture and reports whether motion has begun or ended.
func (d *detector) look(picture []byte, at time.Time) (m Motion, changed bool) {
	grey := means(picture)
	if d.seen < settle {
		d.background = grey
		d.seen++
		return Motion{}, false
	}
	light := d.light(&grey)
	m = d.compare(&grey, light)
	if m.Area == 0 || m.Area < d.area {
		d.streak = 0
		if d.moving && at.Sub(d.last) >= d.hold {
			d.moving = false
			return Motion{}, true
		}
		return Motion{}, false
	}
	d.last = at
	if d.streak++; d.streak < streakLeast || d.moving {
		return Motion{}, false
	}
	d.moving = true
	m.Moving = true
	return m, true
}

// light is by how much most cells have changed: the median, which a big thing that
// moves does not move.
func (d *detector) light(grey *[cells]float64) float64 {
	var changes [cells]float64
	for i, g := range grey {
		changes[i] = g - d.background[i]
	}
	slices.Sort(changes[:])
	return changes[cells/2]
}

// compare finds the cells that have changed by more than the light has, and takes the
// others as the background that it goes on with.
func (d *detector) compare(grey *[cells]float64, light float64) Motion {
	left, top, right, bottom := cellColumns, cellRows, -1, -1
	n := 0
	for i, g := range grey {
		d.background[i] += light
		change := g - d.background[i]
		if change < d.threshold && change > -d.threshold {
			d.background[i] += follow * change
			d.foreign[i] = 0
			continue
		}
		if d.foreign[i]++; d.foreign[i] >= absorb {
			d.background[i], d.foreign[i] = g, 0
		}
		n++
		x, y := i%cellColumns, i/cellColumns
		left, right = min(left, x), max(right, x)
		top, bottom = min(top, y), max(bottom, y)
	}
	if n == 0 {
		return Motion{}
	}
	return Motion{
		Area: float64(n) / cells,
		X:    float64(left) / cellColumns, Y: float64(top) / cellRows,
		W: float64(right-left+1) / cellColumns, H: float64(bottom-top+1) / cellRows,
	}
}

// means are the mean greys of the picture's cells, row by row.
func means(picture []byte) (grey [cells]float64) {
	var sums [cells]int
	for y := range lookHeight {
		row := picture[y*lookWidth : (y+1)*lookWidth]
		base := y / cellSize * cellColumns
		for x, v := range row {
			sums[base+x/cellSize] += int(v)
		}
	}
	for i, s := range sums {
		grey[i] = float64(s) / (cellSize * cellSize)
	}
	return grey
}
