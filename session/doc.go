// SPDX-License-Identifier: LGPL-2.1-or-later

// Package session is the viewer's module: the API of the original
// (reference/xp2p.md §2) as a Go API.
//
//	init                       Init
//	resetP2P                   Module.Reset
//	startP2PService            Module.StartService
//	startLanService            Module.StartLANService
//	startP2PStream             Service.StartStream
//	stopP2PStream              Service.StopStream, Stream.Close
//	startVoiceService          Service.StartVoice
//	stopVoiceService           Service.StopVoice, Voice.Close
//	sendCommand                Service.SendCommand
//	startLocalDownload         Service.StartDownload
//	stopLocalDownload          Service.StopDownloads, Download.Close
//	updateServiceCallbacks     Service.SetCallbacks
//	stopP2PService             Service.Close, Module.StopService
//	getUUID                    Module.UUID
//	destroy                    Module.Close
//
// A stream is an io.ReadCloser of FLV bytes. Errors are *Error with the
// reference's result code; events reach Config.Events and StreamInfo.Events.
//
// A service whose link is lost joins its camera again by itself, and a module whose
// network changes looks for new paths; both say each step by events.
package session
