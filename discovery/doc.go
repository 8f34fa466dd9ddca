// SPDX-License-Identifier: LGPL-2.1-or-later

// Package discovery finds cameras on the own network: a viewer's probe by UDP
// broadcast and the cameras' answers (reference/xp2p.md §7).
//
// A packet has at most 1000 bytes, all included:
//
//	byte 0    type: 1 probe, 2 answer
//	byte 1    version: ours is 1; an answer has its probe's
//	byte 2,3  length of the JSON text behind it, low byte first
//	byte 4…   JSON text in UTF-8
//
//	{"method":"probe","clientToken":T,"timestamp":S,"timeoutMs":5000,
//	 "params":{"productId":"PROD","deviceName":"cam1,cam2"}}
//	{"method":"probeMatch","clientToken":T,"timestamp":S,
//	 "params":{"deviceName":"cam1","address":"192.0.2.7","port":40000,"productId":"PROD"},
//	 "code":0,"status":""}
//
// Without deviceName all of a product answer; without productId, an addition of
// ours, every camera does. timestamp is in Unix seconds (inferred). productId in
// an answer is an addition of ours too. The UDP port is not part of the
// reference: see [DefaultPort].
//
// Discovery says where a camera may be, nothing more. Anyone on the network can
// answer; that it is the camera is shown by its key, when a viewer connects.
package discovery
