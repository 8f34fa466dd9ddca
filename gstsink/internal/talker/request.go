// SPDX-License-Identifier: LGPL-2.1-or-later

package talker

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/xp2p/xp2p/session"
)

// DefaultParams is where an element talks that is told nothing else.
const DefaultParams = "channel=0"

// ParseRequest reads the query of a location. action and quality belong to streams, so
// that one location serves both directions; everything else goes to the camera. Its
// error has the code BadArgument.
func ParseRequest(query string) (session.VoiceRequest, error) {
	var r session.VoiceRequest
	var rest []string
	for field := range strings.SplitSeq(query, "&") {
		k, v, _ := strings.Cut(field, "=")
		switch k {
		case "", "action", "quality":
		case "channel":
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 {
				return r, &session.Error{Op: "startVoiceService", Code: session.BadArgument,
					Err: fmt.Errorf("channel %.20q is not a number from 0: 0 is a camera, the others are an NVR's", v)}
			}
			r.Channel = n
		default:
			rest = append(rest, field)
		}
	}
	r.Params = strings.Join(rest, "&")
	return r, nil
}
