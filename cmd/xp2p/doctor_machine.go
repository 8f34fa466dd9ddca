// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/xp2p/xp2p/control"
	"github.com/xp2p/xp2p/internal/version"
	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/recorder"
	"golang.org/x/sys/unix"
)

// machine looks at what every part of the program needs.
func (d *doctor) machine() {
	d.say(finding{Check: "program", Level: levelOK, Say: fmt.Sprintf("xp2p %s, %s/%s, %d CPUs", version.Version, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())})
	d.hostClock()
	d.receiveBuffer()
	d.descriptors()
	d.gstreamer()
}

// hostClock asks the kernel whether somebody keeps its clock: recordings and grants go by it.
func (d *doctor) hostClock() {
	const timeError = 5 // TIME_ERROR: not synchronised (adjtimex(2))
	var t unix.Timex
	switch state, err := unix.Adjtimex(&t); {
	case err != nil:
		d.say(finding{Check: "clock", Level: levelNote, Say: "the kernel does not say whether the clock is kept: " + err.Error()})
	case state == timeError:
		d.say(finding{Check: "clock", Level: levelWarn, Say: "nobody keeps the clock (" + time.Now().Format(time.RFC3339) + "): recordings and grants go by it",
			Do: "apt-get install -y systemd-timesyncd, or chrony; in a container it is the host's matter"})
	default:
		d.say(finding{Check: "clock", Level: levelOK, Say: "kept, " + time.Now().Format(time.RFC3339)})
	}
}

// wantedBuffer is what a QUIC socket asks for, in bytes.
const wantedBuffer = 7 << 20

func (d *doctor) receiveBuffer() {
	const file = "/proc/sys/net/core/rmem_max"
	b, err := os.ReadFile(file)
	n, e := strconv.Atoi(strings.TrimSpace(string(b)))
	switch {
	case err != nil || e != nil:
		d.say(finding{Check: "UDP buffers", Level: levelNote, Say: "the kernel does not say how large they may be"})
	case n < wantedBuffer:
		d.say(finding{Check: "UDP buffers", Level: levelWarn, Say: fmt.Sprintf("at most %d bytes: bursts of many cameras may lose packets, which are sent again", n),
			Do: fmt.Sprintf("sysctl -w net.core.rmem_max=%d net.core.wmem_max=%[1]d", wantedBuffer+(1<<19))})
	default:
		d.say(finding{Check: "UDP buffers", Level: levelOK, Say: fmt.Sprintf("up to %d bytes", n)})
	}
}

// enoughDescriptors is for some hundred cameras, viewers and files.
const enoughDescriptors = 4096

func (d *doctor) descriptors() {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		d.say(finding{Check: "open files", Level: levelNote, Say: err.Error()})
		return
	}
	// Go raises the limit to the hard one by itself.
	if l.Max < enoughDescriptors {
		d.say(finding{Check: "open files", Level: levelWarn, Say: fmt.Sprintf("at most %d", l.Max), Do: fmt.Sprintf("LimitNOFILE=%d in its systemd unit, or ulimit -Hn", enoughDescriptors)})
		return
	}
	d.say(finding{Check: "open files", Level: levelOK, Say: fmt.Sprintf("at most %d", l.Max)})
}

// gstreamer looks for what pipelines and the elements need; recording needs none of it.
func (d *doctor) gstreamer() {
	inspect, err := exec.LookPath("gst-inspect-1.0")
	if err != nil {
		d.say(finding{Check: "GStreamer", Level: levelNote, Say: "not there: no pipelines, no thumbnails; recording needs none",
			Do: "apt-get install -y gstreamer1.0-tools gstreamer1.0-plugins-good gstreamer1.0-libav"})
		return
	}
	ctx, cancel := d.bounded()
	defer cancel()
	out, err := exec.CommandContext(ctx, inspect, "xp2psrc").CombinedOutput()
	switch {
	case err != nil && ctx.Err() != nil:
		d.say(finding{Check: "GStreamer", Level: levelFail, Say: "gst-inspect-1.0 does not answer", Do: "gst-inspect-1.0 --version"})
	case err != nil:
		d.say(finding{Check: "GStreamer", Level: levelNote, Say: "there, without the elements of X-P2P: " + firstLine(out),
			Do: "GST_PLUGIN_PATH=DIRECTORY-OF-libgstxp2p.so, or put that file where GStreamer's plugins are"})
	default:
		d.say(finding{Check: "GStreamer", Level: levelOK, Say: "there, with xp2psrc, xp2pdemux and xp2psink"})
	}
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line
}

// configuration reads a recorder's file.
func (d *doctor) configuration() *nvr.Config {
	cfg, err := nvr.ReadConfig(d.o.config)
	if err == nil {
		_, err = pipelineJobs(cfg, filepath.Dir(d.o.config), func() watcher { return nil })
	}
	if err != nil {
		d.failed("configuration", badArgument(err), "docs/guide/nvr.md has every key")
		return nil
	}
	d.say(finding{Check: "configuration", Level: levelOK, Say: fmt.Sprintf("%s: %d cameras, %d storages, %d pipelines, %d hooks",
		d.o.config, len(cfg.Cameras), len(cfg.Storage), len(cfg.Pipelines), len(cfg.Hooks))})
	return &cfg
}

// running asks the recorder that serves the configuration's control socket for its
// cameras and storages; false: there is none.
func (d *doctor) running(cfg *nvr.Config) bool {
	ctx, cancel := d.bounded()
	defer cancel()
	c, err := control.Dial(ctx, controlPath(*cfg), nil)
	if err != nil {
		d.say(finding{Check: "recorder", Level: levelNote, Say: "does not run"})
		return false
	}
	defer c.Close()
	var status control.RecordStatus
	if err := c.Call(ctx, "record.status", nil, &status); err != nil {
		d.failed("recorder", err, "its log may say more")
		return true
	}
	d.say(finding{Check: "recorder", Level: levelOK, Say: "runs, with its socket at " + controlPath(*cfg)})
	for _, s := range status.Storages {
		f := finding{Check: "storage", Level: levelOK, Say: fmt.Sprintf("%s: %d files, %s, %s free", s.Dir, s.Segments, size(s.Bytes), size(s.Free))}
		if s.Error != "" {
			f.Level, f.Say, f.Do = levelFail, s.Dir+": "+s.Error, "recording there pauses until it can be written to again"
		}
		d.say(f)
	}
	for _, cam := range status.Cameras {
		f := finding{Check: "camera " + cam.Name, Level: levelOK, Say: fmt.Sprintf("recorded, %s since the recorder began", size(cam.Bytes))}
		if cam.Gap != nil {
			f.Level, f.Say = levelFail, fmt.Sprintf("not recorded since %s, cause %s", cam.Gap.From.Local().Format(time.RFC3339), cam.Gap.Cause)
			f.Do = "without the recorder, xp2p doctor tries the camera itself"
			var state nvr.CameraStatus
			if c.Call(ctx, "camera.status", map[string]string{"camera": cam.Name}, &state) == nil && state.Error != "" {
				f.Say += ": " + state.Error
				f.Code = state.Code
			}
			if cam.Gap.Cause == recorder.CauseConfig {
				f = finding{Check: f.Check, Level: levelOK, Say: "not to be recorded now, by its configuration"}
			}
		}
		d.say(f)
	}
	return true
}

// storage writes a little to a directory and measures how long that takes.
func (d *doctor) storage(dir string) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		parent := dir
		for {
			parent = filepath.Dir(parent)
			if _, err := os.Stat(parent); err == nil {
				break
			}
		}
		if unix.Access(parent, unix.W_OK) != nil {
			d.say(finding{Check: "storage", Level: levelFail, Say: dir + " is not there and cannot be made", Do: "mkdir -p " + dir + ", owned by whoever runs xp2p nvr; or mount the disk"})
			return
		}
		d.say(finding{Check: "storage", Level: levelOK, Say: dir + " is not there yet and will be made"})
		return
	}
	took, err := syncTime(dir)
	var fs unix.Statfs_t
	if err == nil {
		err = unix.Statfs(dir, &fs)
	}
	if err != nil {
		do := "it must be a directory that whoever runs xp2p nvr may write to"
		if errors.Is(err, syscall.EROFS) {
			do = "the file system is mounted read-only: dmesg may say why"
		}
		d.say(finding{Check: "storage", Level: levelFail, Say: dir + ": " + err.Error(), Do: do})
		return
	}
	f := finding{Check: "storage", Level: levelOK,
		Say: fmt.Sprintf("%s: %s free of %s; 256 KiB are on the disk in %s", dir, size(int64(fs.Bavail)*fs.Bsize), size(int64(fs.Blocks)*fs.Bsize), took.Round(100*time.Microsecond))}
	if took > 500*time.Millisecond {
		f.Level, f.Do = levelWarn, "a disk that slow keeps few cameras: sync: 5s or segment for it (docs/guide/nvr.md)"
	}
	d.say(f)
}

// syncTime is the median time of some small writes with a sync, as of parts.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, ".xp2p-doctor-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var took [5]time.Duration
	buf := make([]byte, 256<<10)
	for i := range took {
		begin := time.Now()
		if _, err := f.Write(buf); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took[i] = time.Since(begin)
	}
	return median(took[:]), nil
}
