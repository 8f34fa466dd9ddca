// SPDX-License-Identifier: LGPL-2.1-or-later

// Package feed is a way for a stream to its 1vN source that begins at the camera: the
// camera's host asks the source whether anybody watches, and sends the stream as long as
// somebody does. So the camera may be behind any NAT, the source needs no account and
// takes none of the camera's places for viewers, and nothing is sent that nobody sees.
//
// Both requests are plain HTTP on the stream's URL, with "Authorization: Bearer TOKEN":
//
//	POST URL?_feed=wait   200: somebody watches, push now; 204: nobody came for a while, ask again
//	POST URL?_feed=push   the body is the stream, FLV; the answer, 200, comes when the source
//	                      has had enough: then wait again
//
// A refusal is {"code","error"} as the source's others (docs/design/swarm.md): 401 for a wrong
// token, 404 for a stream that no camera feeds here, 409 for a push that nobody wants now.
package feed
