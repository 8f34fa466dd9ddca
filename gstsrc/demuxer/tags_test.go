// SPDX-License-Identifier: LGPL-2.1-or-later

package demuxer

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// withMetadata is a file with metadata behind its own.
func withMetadata(t *testing.T, kind testmedia.Kind, m flv.Metadata) string {
	t.Helper()
	b, err := os.ReadFile(testmedia.FLV(t, kind, seconds, testmedia.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	const header, tagHeader, sizeBehind = 13, 11, 4
	end := header + tagHeader + int(binary.BigEndian.Uint32(b[header:])&0xffffff) + sizeBehind
	b = slices.Insert(b, end, flv.AppendTag(nil, flv.TagScript, 0, flv.AppendMetadata(nil, m))...)
	file := filepath.Join(t.TempDir(), "in.flv")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// tagsOf is what who looks at a pad now learns, by the scopes.
func tagsOf(pad *gst.Pad) map[gst.TagScope]string {
	all := map[gst.TagScope]string{}
	for i := uint(0); ; i++ {
		e := pad.GetStickyEvent(gst.EventTypeTag, i)
		if e == nil {
			return all
		}
		tags := e.ParseTag()
		all[tags.GetScope()] += tags.String()
	}
}

// Each track has the tags of the whole and its own, all of them at once, whenever one
// looks.
func TestTags(t *testing.T) {
	for _, tt := range []struct{ name, encoder, want, no string }{
		{"as it is", "Unit 7", "Unit\\ 7", ""},
		{"with a NUL", "Unit\x00", "container-format=(string)Flash", "encoder"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := withMetadata(t, testmedia.H264AAC, flv.Metadata{VideoBitrate: 512, AudioBitrate: 64, VideoCodec: 7, AudioCodec: 10, Encoder: tt.encoder})
			p := launch(t, "filesrc location=%s ! xp2pdemux name=d d. ! queue ! fakesink d. ! queue ! fakesink", file)
			if err := p.SetState(gst.StatePaused); err != nil {
				t.Fatal(err)
			}
			if m := p.GetPipelineBus().TimedPopFiltered(gst.ClockTime(patience), gst.MessageAsyncDone|gst.MessageError); m == nil || m.Type() == gst.MessageError {
				t.Fatalf("no preroll: %v", m)
			}
			d, err := p.GetElementByName("d")
			if err != nil {
				t.Fatal(err)
			}
			for pad, own := range map[string][]string{
				"video_0": {"video-codec=(string)\"H.264", "nominal-bitrate=(uint)512000"},
				"audio_0": {"audio-codec=(string)\"MPEG-4\\ AAC", "nominal-bitrate=(uint)64000"},
			} {
				got := tagsOf(d.GetStaticPad(pad))
				for scope, wants := range map[gst.TagScope][]string{
					gst.TagScopeGlobal: {"container-format=(string)", tt.want},
					gst.TagScopeStream: own,
				} {
					for _, want := range wants {
						if !strings.Contains(got[scope], want) {
							t.Errorf("%s: no %s in %s", pad, want, got[scope])
						}
					}
				}
				if tt.no != "" && strings.Contains(got[gst.TagScopeGlobal], tt.no) {
					t.Errorf("%s: %s", pad, got[gst.TagScopeGlobal])
				}
			}
		})
	}
}
