package input

import "time"

// pace holds a stream back to real time.
type pace struct {
	origin  time.Time // when media time 0 is due
	started bool
}

// maxLag is how late a stream may be before the lag is taken as lost. A shorter
// one is made up for; without a bound, a reader that pauses for a minute would
// get that minute at once.
const maxLag = time.Second

// wait sleeps until media time at is due. It returns false when done was closed.
func (p *pace) wait(at time.Duration, done <-chan struct{}) bool {
	now := time.Now()
	if !p.started {
		p.started = true
		p.origin = now.Add(-at)
	}
	ahead := p.origin.Add(at).Sub(now)
	if ahead < -maxLag {
		p.origin = now.Add(-at)
	}
	if ahead <= 0 {
		select {
		case <-done:
			return false
		default:
			return true
		}
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}
