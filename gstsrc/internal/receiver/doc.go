// SPDX-License-Identifier: LGPL-2.1-or-later

// Package receiver turns a camera into one unbroken flow of FLV bytes: it
// connects, asks for the stream, reads, connects again when the link breaks,
// and joins the streams of successive connections into one valid FLV stream.
//
// It knows no GStreamer. It has no goroutine of its own between calls: whoever
// calls Next does the waiting, and cancelling that call's context ends it, even
// where the network hangs.
package receiver
