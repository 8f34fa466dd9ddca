// SPDX-License-Identifier: LGPL-2.1-or-later

// Package local is the local server of the original (reference/xp2p.md §6): plain
// http URLs on this machine, behind which are cameras. A player, curl or a script
// needs to know nothing of peers:
//
//	GET  /                                   the cameras and their URLs, JSON
//	GET  /PRODUCT_DEVICE/ipc.flv?action=…    a stream or download
//	POST /PRODUCT_DEVICE/voice?channel=N     talkback: FLV in, the camera's answer out
//	GET  /PRODUCT_DEVICE/command?COMMAND     a command; POST takes it as the body
//	GET  /PRODUCT_DEVICE/events              the camera's messages, one JSON object per line
//	POST /PRODUCT_DEVICE/events?id=N         the answer to one
//	GET  /NAME/ipc.flv                       a stream of many viewers (1vN)
//	GET  /stat?xresid=NAME                   what of it came from whom
//	GET  /feature?download=1&upload=0        the switches of all such streams
//
// Requests and answers pass through as they are (docs/design/0005); where the
// camera was not reached the answer is {"status","error","code"}, code an X-P2P
// result code. All that want one camera share one connection to it, which is made
// when the first comes and closed when it was idle for a while.
//
// It is for this machine: without a token it listens on loopback alone, takes only
// requests whose Host is this machine, and none that a web page of another site makes.
package local
