// SPDX-License-Identifier: LGPL-2.1-or-later

// Package pipelines has ready-made GStreamer pipelines for cameras, and runs and
// supervises pipelines: these and any other.
//
//	catalogue/*.gst   the pipelines: text in gst-launch syntax under a header
//	Pipeline          one of them: Parse reads it, Expand puts values into it
//	Runner            runs one: begins it again, reports state and errors, stops it
//	Set               several by name, as a recorder has them
//	detector          motion in the pictures that a pipeline hands back
//
// A pipeline is a child process, gst-launch-1.0, so that no crash, hang or leak of
// it is its parent's, which needs no GStreamer and no C compiler (docs/design/0009).
// A camera's stream comes to it through a pipe:
//
//	Source.Open -> pipe -> fdsrc ! xp2pdemux ! … ! sink
//	                                         … ! fdsink -> pipe -> detector -> Event
//
// Secrets go by the environment or stay on this side of the pipe: the words of a
// command are there for everybody on the machine to read.
package pipelines
