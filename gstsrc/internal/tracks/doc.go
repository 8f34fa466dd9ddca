// SPDX-License-Identifier: LGPL-2.1-or-later

// Package tracks is what the element xp2pdemux does, without GStreamer: FLV bytes
// go in, and out come tracks with their formats, units in their time, gaps and
// segments, as calls of an Output.
package tracks
