// SPDX-License-Identifier: LGPL-2.1-or-later

package input

import (
	"testing"

	"github.com/pion/rtcp"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
	"github.com/xp2p/xp2p/internal/testmedia"
)

// A request for a key frame reaches the camera, for the stream that it sends.
func TestRTSPKeyFrame(t *testing.T) {
	cam, medias, _ := movie(t, testmedia.H264AAC, testmedia.Options{GOP: 25}, false)
	cam.feedback = make(chan rtcp.Packet, 100)
	startCamera(t, cam, medias...)
	in, err := Parse("rtsp://"+cam.addr+"/ch1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	key := in.(interface{ RequestKeyFrame() })
	key.RequestKeyFrame() // nothing is open: nothing happens
	s, err := in.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := flv.NewReader(s, flv.Options{Strict: true})
	for {
		var tag flv.Tag
		var u demux.Unit
		if err := r.Next(&tag, &u); err != nil {
			t.Fatal(err)
		}
		if u.Kind == demux.Video && !u.Config {
			break
		}
	}
	key.RequestKeyFrame()
	for p := range cam.feedback { // reports come too
		pli, ok := p.(*rtcp.PictureLossIndication)
		if !ok {
			continue
		}
		if pli.MediaSSRC == 0 {
			t.Errorf("for nobody: %+v", pli)
		}
		break
	}
	closeWakes(t, s)
	key.RequestKeyFrame()
}
