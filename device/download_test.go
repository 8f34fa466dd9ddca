// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
)

func TestDownload(t *testing.T) {
	a := recordings()
	_, srv := start(t, Config{Channels: []Channel{{Source: newFeed(), Archive: a}}})
	want := a.files["a.mp4"]
	for _, offset := range []int{0, 1, 999_999, 1_000_000} {
		res, err := http.Get(fmt.Sprintf("%s/ipc.flv?action=download&channel=0&file_name=a.mp4&offset=%d", srv.URL, offset))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || !bytes.Equal(got, want[offset:]) || res.Header.Get("X-Xp2p-Size") != "1000000" ||
			res.ContentLength != int64(len(want)-offset) {
			t.Errorf("offset %d: %d, %d bytes of %d, size %s, %v", offset, res.StatusCode, len(got), res.ContentLength, res.Header.Get("X-Xp2p-Size"), err)
		}
	}
}

// gate is a file whose reading waits until a test opens it.
type gate struct {
	memArchive
	open chan struct{}
}

type gatedFile struct {
	File
	open chan struct{}
}

func (g *gate) OpenFile(ctx context.Context, name string) (File, error) {
	f, err := g.memArchive.OpenFile(ctx, name)
	return &gatedFile{f, g.open}, err
}

func (g *gatedFile) ReadAt(p []byte, at int64) (int, error) {
	<-g.open
	return g.File.ReadAt(p, at)
}

// Two downloads of one file are two downloads; too many are refused.
func TestDownloadsAtOnce(t *testing.T) {
	a := &gate{*recordings(), make(chan struct{})}
	_, srv := start(t, Config{Channels: []Channel{{Source: newFeed(), Archive: a}}})
	target := srv.URL + "/ipc.flv?action=download&file_name=a.mp4"
	results := make(chan int, maxDownloads+1)
	var wg sync.WaitGroup
	for range maxDownloads + 1 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			res, err := http.Get(target)
			if err != nil {
				t.Error(err)
				return
			}
			n, _ := io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode == 405 {
				close(a.open) // one was refused: that is what the others waited for
			} else if n != 1_000_000 {
				t.Errorf("%d bytes", n)
			}
			results <- res.StatusCode
		}()
	}
	wg.Wait()
	close(results)
	refused := 0
	for s := range results {
		if s == 405 {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d downloads were refused", refused)
	}
	if status, _ := ask(t, "GET", target, ""); status != 200 {
		t.Errorf("after them: %d", status)
	}
}
