// SPDX-License-Identifier: LGPL-2.1-or-later

// Package wire is what the members of a swarm say to each other, to the source and to
// the tracker. Everything is a frame, on every connection alike:
//
//	type 8 | length 24 | body          numbers are big-endian
//
//	 1 welcome      JSON Welcome                        source to viewer, first
//	 2 epoch        chunk.Epoch as it is                source, and peer to peer in front of its first chunk
//	 3 chunk        chunk.Chunk as it is
//	 4 map          see Map                             peer to peer, once a second
//	 5 subscribe    stripe 8 | from 64                  send me the stripe's chunks from this one on
//	 6 unsubscribe  stripe 8 | until 64                 and those from this one on no more
//	 7 answer       stripe 8 | code 8                   to subscribe, or later: see Code
//	 8 request      n × sequence 64, at most 64         send me these chunks
//	 9 missing      n × sequence 64, at most 64         I do not have these
//	10 members      JSON []Member                       tracker to viewer
//	11 signal       JSON Signal                         between two viewers, through the tracker
//	12 policy       JSON Policy                         tracker to viewer
//	13 report       JSON Report                         viewer to tracker, now and then
//	14 ask          nothing: more members, please       viewer to tracker
//	15 sources      JSON []string: URLs                 source to viewer: where else the stream is now
//
// A frame of an unknown type is skipped, so that later versions can say more. The
// requests of HTTP that carry the frames are described in docs/design/swarm.md.
package wire
