// SPDX-License-Identifier: LGPL-2.1-or-later

// Package session is the viewer's module: the API of the original
// (reference/xp2p.md §2) as a Go API.
//
//	init                 Init
//	startP2PService      Module.StartService
//	startLanService      Module.StartLANService
//	startP2PStream       Service.StartStream
//	stopP2PStream        Service.StopStream, Stream.Close
//	sendCommand          Service.SendCommand
//	stopP2PService       Service.Close, Module.StopService
//	destroy              Module.Close
//
// A stream is an io.ReadCloser of FLV bytes. Errors are *Error with the
// reference's result code; events reach Config.Events and StreamInfo.Events.
package session
