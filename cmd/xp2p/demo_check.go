// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/xp2p/xp2p/nvr"
)

// probed is what ffprobe says of one file.
type probed struct {
	Streams []struct {
		CodecType string `json:"codec_type"`
		CodecName string `json:"codec_name"`
		Width     int    `json:"width"`
		Height    int    `json:"height"`
		Frames    string `json:"nb_read_packets"`
	} `json:"streams"`
	Format struct {
		Duration string `json:"duration"`
	} `json:"format"`
}

// The recording must hold at least this part of the demo's time: the start of
// the processes and the first key frame take the rest.
const demoCoverage = 0.6

// check opens every file that this demo recorded and prints a summary.
func (d *demo) check(last nvr.CameraStatus, seconds float64) error {
	if _, err := exec.LookPath("ffprobe"); err != nil {
		return errors.New("ffprobe is missing: run make deps (or apt-get install ffmpeg)")
	}
	files, err := d.recorded()
	if err != nil {
		return err
	}
	fmt.Fprintln(d.out, "\nRecorded:")
	var frames int
	var total float64
	var size int64
	for _, f := range files {
		p, err := probe(f)
		if err != nil {
			return fmt.Errorf("%s does not open: %w", f, err)
		}
		var streams []string
		for _, s := range p.Streams {
			n, _ := strconv.Atoi(s.Frames)
			what := s.CodecName
			if s.CodecType == "video" {
				frames += n
				what = fmt.Sprintf("%s %dx%d, %d frames", s.CodecName, s.Width, s.Height, n)
			}
			streams = append(streams, what)
		}
		dur, _ := strconv.ParseFloat(p.Format.Duration, 64)
		st, err := os.Stat(f)
		if err != nil {
			return err
		}
		total += dur
		size += st.Size()
		fmt.Fprintf(d.out, "  %s  %.1f s  %.2f MB  %s\n", f, dur, float64(st.Size())/1e6, strings.Join(streams, "; "))
	}
	switch {
	case len(files) == 0 || frames == 0:
		return fmt.Errorf("nothing was recorded (camera: %s %s)", last.State, last.Error)
	case total < demoCoverage*seconds:
		return fmt.Errorf("only %.1f s of %.0f s were recorded", total, seconds)
	case last.Path == "":
		return errors.New("the camera was never reached")
	}
	fmt.Fprintf(d.out, "It works: %d frames, %.1f s, %.2f MB over a %s path; every file opens.\n", frames, total, float64(size)/1e6, last.Path)
	return nil
}

// recorded lists the demo camera's files of this run.
func (d *demo) recorded() ([]string, error) {
	var files []string
	err := filepath.WalkDir(d.path("archive", demoCamera), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".mp4" {
			return err
		}
		if i, err := e.Info(); err == nil && i.ModTime().After(d.began.Add(-time.Second)) {
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

func probe(file string) (probed, error) {
	var p probed
	out, err := exec.Command("ffprobe", "-v", "error", "-count_packets", "-show_streams", "-show_format", "-of", "json", file).Output()
	if err != nil {
		var e *exec.ExitError
		if errors.As(err, &e) {
			err = errors.New(strings.TrimSpace(string(e.Stderr)))
		}
		return p, err
	}
	return p, json.Unmarshal(out, &p)
}
