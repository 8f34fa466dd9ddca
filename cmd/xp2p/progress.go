// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows how far a download is: a bar on a terminal, lines of JSON where asked
// for, else one line at its end.
type progress struct {
	out   io.Writer
	json  bool
	name  string
	began time.Time
	first int64 // offset at which it began
	at    int64
	size  int64
	last  time.Time

	bars *mpb.Progress
	bar  *mpb.Bar
}

const progressEvery = 500 * time.Millisecond

// progressLine is one line of --json.
type progressLine struct {
	File    string  `json:"file"`
	Bytes   int64   `json:"bytes"` // of the file that are there
	Size    int64   `json:"size"`
	Seconds float64 `json:"seconds"`
	Done    bool    `json:"done"`
	Error   string  `json:"error,omitempty"`
}

func newProgress(out io.Writer, asJSON, terminal bool, name string, at, size int64) *progress {
	p := &progress{out: out, json: asJSON, name: name, began: time.Now(), first: at, at: at, size: size}
	if !asJSON && terminal {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithAutoRefresh(), mpb.WithWidth(64))
		p.bar = p.bars.AddBar(size,
			mpb.PrependDecorators(decor.Name(name+" "), decor.CountersKibiByte("% .1f / % .1f")),
			mpb.AppendDecorators(decor.Percentage(), decor.Name(" "), decor.AverageSpeed(decor.SizeB1024(0), "% .1f"), decor.Name(" "), decor.AverageETA(decor.ET_STYLE_GO)))
		p.bar.SetCurrent(at)
	}
	return p
}

// writer counts what goes to w.
func (p *progress) writer(w io.Writer) io.Writer { return &progressWriter{p, w} }

type progressWriter struct {
	p *progress
	w io.Writer
}

func (w *progressWriter) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	w.p.add(n)
	return n, err
}

func (p *progress) add(n int) {
	p.at += int64(n)
	if p.bar != nil {
		p.bar.IncrBy(n)
	}
	if now := time.Now(); p.json && now.Sub(p.last) >= progressEvery {
		p.last = now
		p.line(false, nil)
	}
}

func (p *progress) line(done bool, err error) {
	l := progressLine{File: p.name, Bytes: p.at, Size: p.size, Seconds: time.Since(p.began).Seconds(), Done: done}
	if err != nil {
		l.Error = err.Error()
	}
	json.NewEncoder(p.out).Encode(l)
}

// end says the last word; errors are the command's to print.
func (p *progress) end(err error) {
	switch {
	case p.json:
		p.line(err == nil, err)
	case p.bar != nil:
		if err != nil || p.size == 0 {
			p.bar.Abort(false)
		}
		p.bars.Wait()
	case err == nil:
		d := time.Since(p.began).Seconds()
		fmt.Fprintf(p.out, "fetched %.1f MB of %.1f MB in %.1f s (%.1f MB/s)\n",
			float64(p.at-p.first)/1e6, float64(p.size)/1e6, d, float64(p.at-p.first)/1e6/max(d, 1e-3))
	}
}
