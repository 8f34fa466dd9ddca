// SPDX-License-Identifier: LGPL-2.1-or-later

// Package gstsrc is the GStreamer element xp2psrc: a live source that gives a
// camera's FLV stream, received peer to peer.
//
// The work is done by internal/receiver, which knows no GStreamer. Here is its
// translation into an element: the class in C (source.c), because the class
// functions that matter cannot be had from go-gst (docs/design/0001), and the
// calls of that class in Go (vmethods.go).
//
// A program registers the element with Register(nil) after gst.Init and must
// then not load libgstxp2p.so, which is the same element for everybody else.
package gstsrc
