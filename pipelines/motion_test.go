// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"
)

// scene makes pictures: an even grey with noise, and a square in it.
type scene struct {
	rand  *rand.Rand
	grey  int
	noise int
	x     int // of a square of 30 pixels; negative: there is none
}

func (s *scene) picture() []byte {
	p := make([]byte, lookWidth*lookHeight)
	for i := range p {
		p[i] = byte(s.grey + s.rand.IntN(2*s.noise+1) - s.noise)
	}
	for y := 30; s.x >= 0 && y < 60; y++ {
		for x := s.x; x < s.x+30; x++ {
			p[y*lookWidth+x] = 230
		}
	}
	return p
}

func newTestDetector(t *testing.T, values map[string]string) *detector {
	t.Helper()
	d, err := newDetector(func(name string) (string, error) {
		if v, ok := values[name]; ok {
			return v, nil
		}
		return "", &ParamError{name, "is missing"}
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestMotion(t *testing.T) {
	const rate = 5
	still := func(*scene, int) {}
	for _, c := range []struct {
		name   string
		values map[string]string
		change func(s *scene, n int) // before picture n
		want   string                // events as n:moving
	}{
		{"nothing moves", nil, still, ""},
		{"noise", nil, func(s *scene, _ int) { s.noise = 40 }, ""},
		{"a light is switched on", nil, func(s *scene, n int) {
			if n == 20 {
				s.grey = 170
			}
		}, ""},
		{"dusk", nil, func(s *scene, n int) { s.grey = 150 - n }, ""},
		{"somebody passes", nil, func(s *scene, n int) {
			if s.x = -1; n >= 20 && n < 40 {
				s.x = 5 * (n - 20)
			}
		}, "21:true 54:false"},
		{"longer hold", map[string]string{"hold": "6000"}, func(s *scene, n int) {
			if s.x = -1; n >= 20 && n < 40 {
				s.x = 5 * (n - 20)
			}
		}, "21:true 69:false"},
		{"something is left there", nil, func(s *scene, n int) {
			if n >= 20 {
				s.x = 60
			}
		}, "21:true 84:false"},
		{"one picture is none", nil, func(s *scene, n int) {
			if s.x = -1; n == 20 {
				s.x = 60
			}
		}, ""},
		{"too small", map[string]string{"area": "50"}, func(s *scene, n int) { s.x = n % 100 }, ""},
		{"too faint", map[string]string{"threshold": "200"}, func(s *scene, n int) { s.x = n % 100 }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newTestDetector(t, c.values)
			s := &scene{rand: rand.New(rand.NewPCG(1, 2)), grey: 100, noise: 3, x: -1}
			got := ""
			for n := range 100 {
				c.change(s, n)
				m, changed := d.look(s.picture(), time.Unix(0, 0).Add(time.Duration(n)*time.Second/rate))
				if !changed {
					continue
				}
				if got != "" {
					got += " "
				}
				got += fmt.Sprintf("%d:%v", n, m.Moving)
				if m.Moving && (m.Area < 0.05 || m.Area > 0.15 || m.X > 0.5 || m.Y < 0.3 || m.Y > 0.4 || m.W < 0.15 || m.W > 0.3) {
					t.Errorf("where: %+v", m)
				}
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// An end in mid-picture ends the motion too.
func TestMotionEnds(t *testing.T) {
	d := newTestDetector(t, nil)
	s := &scene{rand: rand.New(rand.NewPCG(1, 2)), grey: 100, x: -1}
	var b bytes.Buffer
	for n := range 10 {
		if n > 5 {
			s.x = 10 * n
		}
		b.Write(s.picture())
	}
	b.Write(make([]byte, 100))
	var got []bool
	now := time.Unix(0, 0)
	d.watch(io.Reader(&b), func() time.Time { now = now.Add(time.Second / 5); return now }, func(m Motion) { got = append(got, m.Moving) })
	if fmt.Sprint(got) != "[true false]" {
		t.Errorf("%v", got)
	}
}

// What a pipeline hands back becomes events of its run.
func TestMotionOfARun(t *testing.T) {
	p := parse(t, "videotestsrc ! fdsink fd=${frames}")
	picture := fmt.Sprintf("head -c %d /dev/zero", lookWidth*lookHeight)
	script := fmt.Sprintf("for i in 1 2 3 4 5; do %s; done >&3; for i in 1 2 3; do head -c %d /dev/zero; head -c %d /dev/zero | tr '\\0' '\\377'; done >&3",
		picture, lookWidth*lookHeight*3/4, lookWidth*lookHeight/4)
	r, ev := newRunner(t, playing+"\n"+script, Job{Pipeline: p}, quick)
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ev.motions(); len(got) != 2 || !got[0].Moving || got[0].Area < 0.2 || got[0].Y < 0.6 || got[1].Moving {
		t.Errorf("%+v", got)
	}
}

func BenchmarkMotion(b *testing.B) {
	d, err := newDetector(func(string) (string, error) { return "10", nil })
	if err != nil {
		b.Fatal(err)
	}
	s := &scene{rand: rand.New(rand.NewPCG(1, 2)), grey: 100, noise: 3, x: 50}
	picture := s.picture()
	b.ReportAllocs()
	for b.Loop() {
		d.look(picture, time.Time{})
	}
}
