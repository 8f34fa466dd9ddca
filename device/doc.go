// SPDX-License-Identifier: LGPL-2.1-or-later

// Package device is the camera's side: it takes an FLV stream from a source,
// fans it out to viewers, answers their commands, and lets them in over links
// that they open through the rendezvous.
//
//	Source (FLV bytes) -> hub (last GOP) -> viewer queues -> GET /ipc.flv
//	                                        POST /command -> inner commands, CommandHandler
//
// A Device is an http.Handler; the requests are those of reference/xp2p.md §3.
// So it can be served on a link, on a LAN or in a test alike. Who asks is in the
// request's context ([WithPeer]).
package device
