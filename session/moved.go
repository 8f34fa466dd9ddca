// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Moved is the event that a camera had no room for another viewer, and its 1vN stream is
// pulled instead; Detail is a MovedDetail.
const Moved = "moved"

// MovedDetail says where the stream comes from now.
type MovedDetail struct {
	URL string `json:"url"`
}

// ManyURL is the URL of a camera's 1vN stream by StreamInfo.LiveStreamDomain:
// "https://DOMAIN/live/PRODUCT_DEVICE.flv", with "_N" behind the device for a channel
// other than 0. A domain may bring its own scheme and port.
func ManyURL(domain, product, device, channel string) string {
	if !strings.Contains(domain, "://") {
		domain = "https://" + domain
	}
	name := product + "_" + device
	if channel != "" && channel != "0" {
		name += "_" + channel
	}
	return strings.TrimSuffix(domain, "/") + "/live/" + url.PathEscape(name) + ".flv"
}

// moveIfFull asks the camera whether it takes another viewer, and where it does not moves
// the service's live streams to the 1vN stream. The error has the code DeviceStateFailed.
func (s *Service) moveIfFull(ctx context.Context, op, params string) (*many, error) {
	q, err := url.ParseQuery(params)
	if err != nil || s.domain == "" || q.Get("action") != "live" {
		return nil, nil
	}
	command := url.Values{"action": {"inner_define"}, "cmd": {"get_device_st"}, "type": {"live"}, "channel": {"0"}}
	for _, k := range []string{"channel", "quality"} {
		if v := q.Get(k); v != "" {
			command.Set(k, v)
		}
	}
	r, err := s.SendCommand(ctx, command.Encode())
	if err != nil {
		return nil, &Error{op, DeviceStateFailed, err}
	}
	full, err := isFull(r)
	if err != nil {
		return nil, &Error{op, DeviceStateFailed, err}
	}
	if !full {
		return nil, nil
	}
	return s.move(q.Get("channel")), nil
}

// isFull reads the reply to get_device_st (reference/xp2p.md §4).
func isFull(r CommandResult) (bool, error) {
	const tooMany = "405"
	if r.Status == http.StatusMethodNotAllowed {
		return true, nil
	}
	if r.Type != CommandSuccess {
		return false, fmt.Errorf("the camera does not say whether it takes another viewer: %s", r.ErrMsg)
	}
	type state struct {
		Status string `json:"status"`
	}
	var l []state
	if err := json.Unmarshal([]byte(r.Data), &l); err != nil {
		var one state
		if json.Unmarshal([]byte(r.Data), &one) != nil {
			return false, fmt.Errorf("the camera's state cannot be read: %w", err)
		}
		l = []state{one}
	}
	if len(l) == 0 || l[0].Status == "" {
		return false, errors.New("the camera's state has no status")
	}
	return l[0].Status == tooMany, nil
}

// move has the service's stream come from the 1vN stream.
func (s *Service) move(channel string) *many {
	product, device := s.Camera()
	m := &many{url: ManyURL(s.domain, product, device, channel), codeURL: s.codeURL, download: true, upload: true}
	s.mu.Lock()
	if old := s.many; old != nil {
		old.mu.Lock()
		m.download, m.upload = old.download, old.upload
		old.mu.Unlock()
	}
	s.many = m
	s.mu.Unlock()
	s.events.notify(Moved, MovedDetail{m.url})
	s.log.Info("the camera has as many viewers as it takes: moved to its 1vN stream", "host", hostOf(m.url))
	return m
}

// refusedAsFull says whether a stream was refused because of too many viewers.
func refusedAsFull(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Status == http.StatusMethodNotAllowed
}
