// SPDX-License-Identifier: LGPL-2.1-or-later

// Package gstsink is the GStreamer element xp2psink: it says the sound of a pipeline
// through a camera's speaker, peer to peer.
//
// The work is done by internal/talker, which knows no GStreamer. Here is its translation
// into an element: the class in C (sink.c) on GstBaseSink with a second pad for the
// pictures of a video call (video.c), and their calls in Go (vmethods.go, video.go), as in gstsrc (docs/design/0001, 0013).
//
// A program registers the element with Register(nil) after gst.Init and must then not
// load libgstxp2p.so, which is the same element for everybody else.
package gstsink
