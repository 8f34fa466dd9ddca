// SPDX-License-Identifier: LGPL-2.1-or-later

// Package chunk is the unit in which a swarm carries a stream: what the source cuts,
// seals and signs once, and every peer checks, keeps and passes on unchanged.
//
// A chunk is a header of 140 bytes and a payload (numbers are big-endian):
//
//	  0  'x' 'c'       magic
//	  2  1             version
//	  3  flags 6, stripe 2
//	  4  swarm         16 bytes: SHA-256 of the source's key and the stream's name, cut
//	 20  epoch         32 bits
//	 24  sequence      64 bits; stripe = sequence mod 4
//	 32  key id        32 bits; 0: the payload is not sealed
//	 36  DTS           32 bits, ms: of the first tag that begins here, as FLV has it
//	 40  length        32 bits: of the payload, at most 32 KiB and the seal's 16 bytes
//	 44  SHA-256       of the payload as it is on the wire
//	 76  signature     64 bytes: Ed25519 (RFC 8032) by the source over bytes 0 … 75,
//	                   behind the text "xp2p chunk 1" and a zero byte
//	140  payload       FLV tags, sealed by AES-256-GCM with the header's bytes 0 … 39 as
//	                   additional data
//
// A payload is whole FLV tags, or a piece of one that is too large: the flags say
// where it begins and ends. Sequences go on from epoch to epoch and never repeat. An
// Epoch, which is signed too, has what a reader needs besides the chunks: the tags
// that configure the decoders.
//
// The chunks of a stream are the same for everyone because one Packager makes them;
// peers could not cut them by themselves, since an origin may count time from another
// start on every connection. An Assembler makes an FLV stream of them again.
package chunk
