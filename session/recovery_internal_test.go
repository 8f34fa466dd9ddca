// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// attempts records what a rejoiner does; each of its joins fails with the next error.
type attempts struct {
	errs     []error
	took     time.Duration // one join
	at       []time.Time
	reported []any
}

func (a *attempts) join(ctx context.Context) error {
	a.at = append(a.at, time.Now())
	select {
	case <-time.After(a.took):
	case <-ctx.Done():
		return ctx.Err()
	}
	if len(a.errs) == 0 {
		return nil
	}
	err := a.errs[0]
	a.errs = a.errs[1:]
	return err
}

func (a *attempts) rejoiner() *rejoiner {
	return &rejoiner{join: a.join, kick: make(chan struct{}, 1), report: func(subtype string, detail any) {
		if d, ok := detail.(ReconnectDetail); ok && subtype == Reconnecting {
			d.DelayMS = 0 // chance
			detail = d
		}
		a.reported = append(a.reported, detail)
	}}
}

var (
	errCause = &Error{"startP2PService", StreamFailed, errors.New("gone")}
	errAway  = &Error{"startP2PService", StreamFailed, errors.New("not online")}
	errNever = &Error{"startP2PService", BadXP2PInfo, errors.New("revoked")}
)

func reconnect(n int, err *Error) ReconnectDetail {
	return ReconnectDetail{Attempt: n, Reason: err.Error(), Code: err.Code}
}

func TestRejoin(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before int
		errs   []error
		want   []any
		n      int
		err    error
	}{
		{"at once", 0, nil, []any{reconnect(1, errCause)}, 1, nil},
		{"the third time", 0, []error{errAway, errAway}, []any{reconnect(1, errCause), reconnect(2, errAway), reconnect(3, errAway)}, 3, nil},
		{"after a link that did not last", 4, nil, []any{reconnect(5, errCause)}, 5, nil},
		{"the network's own error", 0, []error{errors.New("no route")}, []any{reconnect(1, errCause),
			ReconnectDetail{Attempt: 2, Reason: "no route"}}, 2, nil},
		{"never again", 0, []error{errAway, errNever, errAway}, []any{reconnect(1, errCause), reconnect(2, errAway),
			DisconnectDetail{Reason: errNever.Error(), Code: BadXP2PInfo, Final: true}}, 2, errNever},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := attempts{errs: tt.errs, took: time.Second}
				n, err := a.rejoiner().run(t.Context(), tt.before, errCause)
				if n != tt.n || err != tt.err {
					t.Errorf("%d attempts, %v", n, err)
				}
				if !slices.Equal(a.reported, tt.want) {
					t.Errorf("reported %+v\nwant %+v", a.reported, tt.want)
				}
			})
		})
	}
}

// A camera that is away for a day is asked some thousand times, not millions, and found
// soon after it is back.
func TestRejoinIsPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attempts{errs: slices.Repeat([]error{error(errAway)}, 20000)}
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		n, err := a.rejoiner().run(ctx, 0, errCause)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if least := int(24 * time.Hour / rejoinMost); n < least || n > 2*least+20 {
			t.Errorf("%d attempts in a day", n)
		}
		gaps := map[time.Duration]int{}
		for i := 20; i < len(a.at); i++ {
			gap := a.at[i].Sub(a.at[i-1])
			gaps[gap]++
			if gap < rejoinMost/2 || gap > rejoinMost {
				t.Fatalf("attempt %d after %s", i, gap)
			}
		}
		if len(gaps) < 1000 {
			t.Errorf("only %d different waits: where is the jitter?", len(gaps))
		}
		if first := a.at[0]; time.Since(first) < 24*time.Hour-rejoinFirst-time.Second {
			t.Errorf("the first attempt came late: %s", first)
		}
	})
}

func TestRejoinAtOnceWhenTheNetworkChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attempts{errs: slices.Repeat([]error{error(errAway)}, 10)}
		r := a.rejoiner()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.run(ctx, 20, errCause) }()
		synctest.Wait()
		r.kick <- struct{}{}
		synctest.Wait()
		if len(a.at) != 1 {
			t.Errorf("%d attempts", len(a.at))
		}
		cancel()
		<-done
	})
}

// What follows a change of addresses: one reset when they have settled, again while it fails.
// A reset that looks at a network which is gone makes room for the next one.
func TestWatchAddressesDuringReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := map[int]bool{1: true, 6: true}
		polls := 0
		var begun, cancelled, done atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() {
			defer close(over)
			watchAddresses(ctx, func() bool { polls++; return changes[polls] }, func(ctx context.Context) error {
				if begun.Add(1) == 1 {
					<-ctx.Done()
					cancelled.Add(1)
					return ctx.Err()
				}
				done.Add(1)
				return nil
			})
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		if begun.Load() != 2 || cancelled.Load() != 1 || done.Load() != 1 {
			t.Errorf("%d resets, %d cancelled, %d done", begun.Load(), cancelled.Load(), done.Load())
		}
		cancel()
		<-over
	})
}

func TestWatchAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := map[int]bool{5: true, 6: true, 7: true, 40: true}
		var resets atomic.Int32
		polls := 0
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			watchAddresses(ctx, func() bool { polls++; return changes[polls] }, func(context.Context) error {
				if resets.Add(1) <= 2 {
					return errAway
				}
				return nil
			})
		}()
		time.Sleep(4 * addressPoll)
		synctest.Wait()
		if resets.Load() != 0 {
			t.Error("reset without a change")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := resets.Load(); n != 3 {
			t.Errorf("%d resets after three changes at once, the first two failed", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := resets.Load(); n != 4 {
			t.Errorf("%d resets after one more change", n)
		}
		cancel()
		<-done
	})
}
