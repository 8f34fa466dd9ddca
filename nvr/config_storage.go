// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/xp2p/xp2p/recorder"
	"go.yaml.in/yaml/v3"
)

// KeepConfig is what is kept of recordings: of every camera of a storage, or of one
// camera. 0: not said, negative: no limit.
type KeepConfig struct {
	MaxAge   time.Duration
	MaxBytes int64
}

// retention is the camera's in the archive's terms; both say the same of 0 and less.
func (c *CameraConfig) retention() recorder.Retention { return recorder.Retention(c.Keep) }

// noLimit is the text that takes a storage's limit off a camera.
const noLimit = "none"

// Bounds of an age.
const (
	leastAge = time.Minute
	mostAge  = 100 * 365 * 24 * time.Hour
)

// age takes a duration, or a number of days such as 30d.
func age(dst *time.Duration) func(*yaml.Node, string) error {
	return func(n *yaml.Node, key string) error {
		var d time.Duration
		var err error
		if days, ok := strings.CutSuffix(n.Value, "d"); ok {
			var v float64
			v, err = strconv.ParseFloat(days, 64)
			d = time.Duration(min(max(v, 0), 1e5) * 24 * float64(time.Hour))
		} else {
			d, err = time.ParseDuration(n.Value)
		}
		if n.Kind != yaml.ScalarNode || err != nil {
			return wrong(n, key, fmt.Sprintf("%q must be a time with its unit, such as 30d, 36h or 90m", n.Value))
		}
		if d < leastAge || d > mostAge {
			return wrong(n, key, fmt.Sprintf("%v is not between %v and %v", n.Value, leastAge, "36500d"))
		}
		*dst = d
		return nil
	}
}

// orNone lets a camera have no limit where its storage has one.
func orNone[T time.Duration | int64](dst *T, value func(*T) func(*yaml.Node, string) error) func(*yaml.Node, string) error {
	return func(n *yaml.Node, key string) error {
		if n.Value == noLimit {
			*dst = -1
			return nil
		}
		return value(dst)(n, key)
	}
}

// syncPolicy takes part, segment, or the longest time between two syncs.
func syncPolicy(dst *string) func(*yaml.Node, string) error {
	return func(n *yaml.Node, key string) error {
		if n.Kind != yaml.ScalarNode {
			return wrong(n, key, "must be part, segment, or a time such as 5s")
		}
		if _, err := recorder.SyncPolicy(n.Value).Every(); err != nil {
			return wrong(n, key, err.Error())
		}
		*dst = n.Value
		return nil
	}
}

// notice passes on to subscribers what happens in the archive: the events
// "record.segment", "record.gap-opened", "record.gap-closed", "storage.failed",
// "storage.full", "storage.low", "storage.works" and "clock.set"; the detail is the
// recorder.Notice.
func (n *NVR) notice(x recorder.Notice) {
	kind := "storage." + string(x.Kind)
	switch x.Kind {
	case recorder.NoticeSegment, recorder.NoticeGapOpened, recorder.NoticeGapClosed:
		kind = "record." + string(x.Kind)
	case recorder.NoticeClock:
		kind = "clock.set"
	}
	n.bus.publish(Event{Type: kind, Camera: x.Camera, Detail: x})
}
