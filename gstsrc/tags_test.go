// SPDX-License-Identifier: LGPL-2.1-or-later

package gstsrc

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// tags waits for all that sinks have heard up to the end of the stream.
func (p *pipeline) tags() *gst.TagList {
	p.t.Helper()
	all := gst.NewEmptyTagList()
	for {
		switch m := p.wait(gst.MessageTag | gst.MessageEOS | gst.MessageError); m.Type() {
		case gst.MessageTag:
			all.Insert(m.ParseTags(), gst.TagMergeReplace)
		case gst.MessageError:
			p.t.Fatal(m.ParseError())
		default:
			return all
		}
	}
}

// The camera's name and the time of a recording get to the tracks, by the demuxer.
func TestTags(t *testing.T) {
	live := &camera{stream: func(context.Context, int) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(media(t, testmedia.H264))), nil
	}}
	for _, tt := range []struct {
		name, location string
		cam            *camera
		at             string // empty: none
	}{
		{"live", "xp2p://T/cam", live, ""},
		{"playback", playbackURI, recording(t), "2023-11-14T22:13:20Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cam.use(t)
			p := launch(t, "xp2psrc name=src reconnect=false location=%s ! xp2pdemux ! fakesink sync=false", tt.location)
			p.set(gst.StatePlaying)
			tags := p.tags()
			if title, _ := tags.GetString(gst.TagTitle); title != "T/cam" {
				t.Errorf("title %q", title)
			}
			if format, _ := tags.GetString(gst.TagContainerFormat); format == "" {
				t.Error("no container format")
			}
			if all := tags.String(); strings.Contains(all, "datetime=(datetime)") != (tt.at != "") || !strings.Contains(all, tt.at) {
				t.Errorf("no date-time %q in %s", tt.at, all)
			}
		})
	}
}
