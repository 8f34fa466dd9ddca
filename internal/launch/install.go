// SPDX-License-Identifier: LGPL-2.1-or-later

package launch

import "strings"

// GStreamer is the program that runs a pipeline.
const GStreamer = "gst-launch-1.0"

// InstallTools is how Debian and Ubuntu get gst-launch-1.0 and all that test: needs.
const InstallTools = "apt-get install -y gstreamer1.0-tools gstreamer1.0-plugins-base " +
	"gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-x"

// packages says where the elements come from that pipelines for cameras use most.
var packages = map[string]string{
	"x264enc":       "gstreamer1.0-plugins-ugly",
	"x265enc":       "gstreamer1.0-plugins-bad",
	"openh264enc":   "gstreamer1.0-plugins-bad",
	"voaacenc":      "gstreamer1.0-plugins-bad",
	"h264parse":     "gstreamer1.0-plugins-bad",
	"h265parse":     "gstreamer1.0-plugins-bad",
	"aacparse":      "gstreamer1.0-plugins-good",
	"avenc_aac":     "gstreamer1.0-libav",
	"flvmux":        "gstreamer1.0-plugins-good",
	"v4l2src":       "gstreamer1.0-plugins-good",
	"alawenc":       "gstreamer1.0-plugins-good",
	"mulawenc":      "gstreamer1.0-plugins-good",
	"pulsesrc":      "gstreamer1.0-pulseaudio",
	"alsasrc":       "gstreamer1.0-alsa",
	"videotestsrc":  "gstreamer1.0-plugins-base",
	"audiotestsrc":  "gstreamer1.0-plugins-base",
	"timeoverlay":   "gstreamer1.0-x",
	"clockoverlay":  "gstreamer1.0-x",
	"textoverlay":   "gstreamer1.0-x",
	"vaapih264enc":  "gstreamer1.0-vaapi",
	"libcamerasrc":  "gstreamer1.0-libcamera",
	"pipewiresrc":   "gstreamer1.0-pipewire",
	"nvh264enc":     "gstreamer1.0-plugins-bad",
	"rtspsrc":       "gstreamer1.0-plugins-good",
	"matroskademux": "gstreamer1.0-plugins-good",
}

// Missing finds in what gst-launch-1.0 said the element that it lacks and says
// how to get it; "" when that is not what it complained about.
func Missing(said string) string {
	_, rest, found := strings.Cut(said, `no element "`)
	if !found {
		return ""
	}
	element, _, _ := strings.Cut(rest, `"`)
	if p, ok := packages[element]; ok {
		return "apt-get install -y " + p
	}
	return "find its package with: apt-file search libgst, or install the usual ones: " + InstallTools
}
