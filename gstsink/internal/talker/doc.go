// SPDX-License-Identifier: LGPL-2.1-or-later

// Package talker is xp2psink without GStreamer: it takes a camera's line when there is
// something to say, brings sound into the form that the camera asks for, and says it.
//
//	Take -> queue -> halve (16 kHz) -> convert (G.711) -> frames -> Voice
//	Picture -> lane -----------------------------------------------^
package talker
