// SPDX-License-Identifier: LGPL-2.1-or-later

// Package device is the camera's side: it takes an FLV stream from a source,
// fans it out to viewers, plays them its recordings, answers their commands, lets
// one of them talk, and lets them in over links that they open through the
// rendezvous.
//
//	Source (FLV bytes) -> hub (last GOP) -> viewer queues -> GET /ipc.flv?action=live
//	                                     -> Tap (for a recorder)
//	Archive (files, cursors)             -> player        -> GET /ipc.flv?action=playback
//	                                                         GET /ipc.flv?action=download
//	Speaker                              <- listen        <- POST /voice
//	inner commands, CommandHandler                        <- POST /command
//	Send                                 -> listeners     -> GET /events
//
// A Device is an http.Handler; the requests are those of reference/xp2p.md §3 and
// docs/design/0005-requests-of-a-link.md. So it can be served on a link, on a LAN or
// in a test alike. Who asks is in the request's context ([WithPeer], [PeerFrom]).
package device
