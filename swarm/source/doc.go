// SPDX-License-Identifier: LGPL-2.1-or-later

// Package source is where a swarm's stream comes from (reference/xp2p.md §8): it pulls
// each origin once, while somebody watches, cuts and signs its chunks, feeds the heads of
// the swarm and those who have no parents yet, and runs the tracker.
//
// Everything is on the stream's URL:
//
//	GET  /live/a.flv                   http-flv, for any player; a sealed stream wants ?code=CODE
//	POST /live/a.flv?_swarm=join       body wire.Join; the answer is frames without end
//	POST /live/a.flv?_swarm=track&token=T   likewise: what the tracker says
//	POST /live/a.flv?_swarm=tell&token=T    body: frames; 204
//
// and beside it
//
//	GET  /stat?xresid=live/a           {"flow":{"p2pBytes":0,"cdnBytes":0}}
//	GET  /feature?download=1&upload=0  {"ret":0,"msg":"ok","download":1,"upload":0}
//
// A stream may have several sources with one key, which find each other at a rendezvous:
// one leads and cuts, the others pass its chunks on, and one of them takes its place when it
// is gone (see group).
//
// A stream may be another source's: a mirror passes its chunks on as they are, and that
// source sends new viewers to whichever of both has fewer.
//
// A refusal has a JSON body {"code":-2402,"error":"in words"}.
package source
