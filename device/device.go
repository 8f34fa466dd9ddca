// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Config configures New. It is copied.
type Config struct {
	Product string
	Name    string
	// Version of the device, as in its xp2pInfo; "" means "1.0.0".
	Version string
	// Channels are the device's sources; a camera has one.
	Channels []Channel
	// MaxViewers at once over all channels; 0: 4 (reference/xp2p.md §5).
	MaxViewers int
	// Watermarks of each viewer's queue.
	Watermarks Watermarks
	// Commands answers user_define commands; nil: they fail.
	Commands CommandHandler
	// Speaker plays what viewers say; nil: there is no talkback.
	Speaker Speaker
	// Logger; nil: discarded.
	Logger *slog.Logger

	silence   time.Duration // replaces maxSilence in tests
	keepAlive time.Duration // replaces eventsKeepAlive in tests
	linger    time.Duration // replaces demandLinger in tests
}

// Channel is one picture of the device.
type Channel struct {
	Name   string
	Source Source
	// OnDemand: the source is opened when somebody wants to watch, and closed when
	// nobody did for a while; else it is read all the time.
	OnDemand bool
	// Online says whether there is a picture to watch; nil: whether the source delivers.
	Online func() bool
	// Archive is what was recorded of it; nil: nothing is.
	Archive Archive
}

const (
	defaultMaxViewers = 4
	defaultVersion    = "1.0.0"
)

func (c Config) withDefaults() Config {
	if c.Version == "" {
		c.Version = defaultVersion
	}
	if c.MaxViewers == 0 {
		c.MaxViewers = defaultMaxViewers
	}
	if c.silence == 0 {
		c.silence = maxSilence
	}
	if c.keepAlive == 0 {
		c.keepAlive = eventsKeepAlive
	}
	if c.linger == 0 {
		c.linger = demandLinger
	}
	c.Watermarks = c.Watermarks.withDefaults()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Device is a camera, or an NVR with several channels.
type Device struct {
	cfg      Config // Channels apart
	channels atomic.Pointer[[]channel]
	mux      *http.ServeMux
	log      *slog.Logger

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	playing   playbacks
	line      line
	listeners listeners

	mu        sync.Mutex
	viewing   map[string]int // streams by viewer
	downloads int
}

// New starts a device: its sources are read from now on.
func New(cfg Config) (*Device, error) {
	if len(cfg.Channels) == 0 {
		return nil, errors.New("a device needs at least one channel")
	}
	if cfg.MaxViewers < 0 {
		return nil, errors.New("the number of viewers cannot be negative")
	}
	cfg = cfg.withDefaults()
	if m := cfg.Watermarks; m.Low > m.Warn || m.Warn > m.High || m.Low < 0 {
		return nil, fmt.Errorf("watermarks must not be below one another: low %d, warn %d, high %d", m.Low, m.Warn, m.High)
	}
	d := &Device{cfg: cfg, log: cfg.Logger, viewing: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	d.ctx, d.cancel = ctx, cancel
	d.channels.Store(new([]channel))
	for _, c := range cfg.Channels {
		d.AddChannel(c)
	}
	d.mux = http.NewServeMux()
	d.mux.HandleFunc("GET /ipc.flv", d.serveStream)
	d.mux.HandleFunc("GET /command", d.serveCommand)
	d.mux.HandleFunc("POST /command", d.serveCommand)
	d.mux.HandleFunc("POST /voice", d.serveVoice)
	d.mux.HandleFunc("GET /events", d.serveEvents)
	d.mux.HandleFunc("POST /events", d.serveAnswer)
	d.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, statusNotFound, fmt.Sprintf("no such request: %s %s", r.Method, r.URL.Path))
	})
	return d, nil
}

// channel is a Channel that is served.
type channel struct {
	Channel
	hub *hub
}

// all are the channels now, by number; the slice is not written again.
func (d *Device) all() []channel { return *d.channels.Load() }

// AddChannel serves one more channel and gives its number. Channels are never
// taken away, so that a number means the same for as long as the device lives: one
// that is gone has an Online that says so. After Close it does nothing and gives -1.
func (d *Device) AddChannel(c Channel) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		return -1
	}
	list := slices.Clone(d.all())
	h := newHub(c.Source, d.cfg.Watermarks, d.log.With("channel", len(list)))
	h.onDemand, h.linger = c.OnDemand, d.cfg.linger
	list = append(list, channel{c, h})
	d.channels.Store(&list)
	d.wg.Go(func() { h.run(d.ctx) })
	return len(list) - 1
}

// Close ends every stream and the sources, and waits for both.
func (d *Device) Close() error {
	d.mu.Lock()
	d.cancel() // under the lock: see AddChannel
	d.mu.Unlock()
	d.wg.Wait()
	return nil
}

// Stats of a channel, and whether its source delivers now.
func (d *Device) Stats(channel int) (Stats, bool) { return d.all()[channel].hub.snapshot() }

// Viewers is the number of viewers now.
func (d *Device) Viewers() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.viewing)
}

// ServeHTTP serves the requests of reference/xp2p.md §3.
func (d *Device) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead { // the mux takes it for GET: a stream to nobody
		refuse(w, statusNotFound, "no such request: HEAD "+r.URL.Path)
		return
	}
	d.mux.ServeHTTP(w, r)
}

// enter counts a viewer in; false when there are too many.
func (d *Device) enter(p Peer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.viewing[p.ID] == 0 && len(d.viewing) >= d.cfg.MaxViewers {
		return false
	}
	d.viewing[p.ID]++
	return true
}

func (d *Device) exit(p Peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.viewing[p.ID]--; d.viewing[p.ID] == 0 {
		delete(d.viewing, p.ID)
	}
}

// full says whether a peer that is not viewing yet would be one too many.
func (d *Device) full(p Peer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.viewing[p.ID] == 0 && len(d.viewing) >= d.cfg.MaxViewers
}
