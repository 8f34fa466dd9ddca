// SPDX-License-Identifier: LGPL-2.1-or-later

package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/device/input"
	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/internal/testmedia"
	"github.com/xp2p/xp2p/rendezvous"
	"github.com/xp2p/xp2p/rendezvous/server"
	"github.com/xp2p/xp2p/session"
)

// BenchmarkPeerRecording is what an NVR costs per camera over the peer link,
// beside a process that only receives the same streams over the same link.
func BenchmarkPeerRecording(b *testing.B) {
	file := testmedia.FLV(b, testmedia.H264AAC, 10, stream2M)
	dir := b.TempDir()
	cams := startRole(b, "peer-cameras", dir, file)
	cams.wait(b, "ready")
	url := readFile(b, filepath.Join(dir, "url"))
	bin := buildProgram(b)
	for b.Loop() {
		bare := startRole(b, "peer-bare", dir, file)
		bare.wait(b, "ready")
		bareUse := bare.measure(b)
		bare.stop(b)

		var config strings.Builder
		fmt.Fprintf(&config, "rendezvous: %s\napp: %s\ncontrol: %s\nstorage:\n  - dir: %s\ncameras:\n", url, filepath.Join(dir, "rv", "app.json"),
			filepath.Join(dir, "c.sock"), b.TempDir())
		for i := range streams {
			fmt.Fprintf(&config, "  - name: cam%d\n    xp2p-info: %q\n", i, readFile(b, filepath.Join(dir, "info"+strconv.Itoa(i))))
		}
		file := filepath.Join(dir, "nvr.yaml")
		if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
			b.Fatal(err)
		}
		nvr := startProcess(b, bin, "nvr", "--config", file)
		nvr.wait(b, "nvr ready")
		nvrUse := nvr.measure(b)
		nvr.stop(b)

		b.ReportMetric(100*bareUse.cpu/streams, "bare-%core/stream")
		b.ReportMetric(100*nvrUse.cpu/streams, "nvr-%core/stream")
		b.ReportMetric(nvrUse.cpu/bareUse.cpu, "nvr/bare")
		b.ReportMetric(float64(nvrUse.rss)/streams/(1<<20), "nvr-MiB/stream")
		b.ReportMetric(float64(bareUse.rss)/streams/(1<<20), "bare-MiB/stream")
	}
	cams.stop(b)
}

// peerCameras is a rendezvous and all cameras in one process.
func peerCameras(dir, file string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	rv, err := server.Start(ctx, server.Config{Listen: "127.0.0.1:0", State: filepath.Join(dir, "rv")})
	if err != nil {
		return err
	}
	defer rv.Close()
	if err := os.WriteFile(filepath.Join(dir, "url"), []byte(rv.URL()), 0o600); err != nil {
		return err
	}
	var ready, done sync.WaitGroup
	for i := range streams {
		src, err := input.Parse("flv:"+file, input.Options{})
		if err != nil {
			return err
		}
		d, err := device.New(device.Config{Product: "BENCH", Name: "cam" + strconv.Itoa(i), Channels: []device.Channel{{Source: src}}})
		if err != nil {
			return err
		}
		defer d.Close()
		s, err := device.NewServer(d, device.ServeConfig{Rendezvous: rv.URL(), App: rv.App(), KeyFile: filepath.Join(dir, "key"+strconv.Itoa(i))})
		if err != nil {
			return err
		}
		info, err := s.Issue(grant.AllRights, time.Time{}, "")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "info"+strconv.Itoa(i)), []byte(info), 0o600); err != nil {
			return err
		}
		ready.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			if err := s.Run(ctx, ready.Done); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
	ready.Wait()
	fmt.Println("ready")
	<-ctx.Done()
	done.Wait()
	return nil
}

// peerBare receives every stream and throws it away.
func peerBare(dir, _ string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	app, err := rendezvous.ReadApp(filepath.Join(dir, "rv", "app.json"))
	if err != nil {
		return err
	}
	url, err := os.ReadFile(filepath.Join(dir, "url"))
	if err != nil {
		return err
	}
	m, err := session.Init(ctx, session.Config{App: app, Rendezvous: string(url)})
	if err != nil {
		return err
	}
	defer m.Close()
	for i := range streams {
		info, err := os.ReadFile(filepath.Join(dir, "info"+strconv.Itoa(i)))
		if err != nil {
			return err
		}
		s, err := m.StartService(ctx, strconv.Itoa(i), session.StreamInfo{XP2PInfo: string(info)})
		if err != nil {
			return err
		}
		// The same request as the NVR's: the camera sends the same packets.
		st, err := s.StartStream(ctx, session.StreamRequest{Params: "action=live&channel=0&_gather=100"})
		if err != nil {
			return err
		}
		go io.CopyBuffer(struct{ io.Writer }{io.Discard}, st, make([]byte, 64<<10))
	}
	fmt.Println("ready")
	<-ctx.Done()
	return nil
}

func readFile(b *testing.B, name string) string {
	b.Helper()
	c, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return string(c)
}
