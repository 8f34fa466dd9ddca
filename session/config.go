// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"errors"
	"log/slog"
	"time"

	"github.com/xp2p/xp2p/rendezvous"
)

// AppParams name the account at the rendezvous: the original's appParams.
type AppParams = rendezvous.App

// ReadAppParams reads the JSON file that `xp2p rendezvous` writes (app.json).
func ReadAppParams(file string) (AppParams, error) { return rendezvous.ReadApp(file) }

// Config is the argument of Init. It is copied.
type Config struct {
	// App is the account at the rendezvous (required, unless there is none).
	App AppParams

	// Rendezvous is the URL that `xp2p rendezvous` prints, "nats://HOST:PORT". Empty: the
	// module has none, and only StartLANService reaches cameras.
	Rendezvous string

	// KeyFile holds this viewer's private key (PEM, made at first use, mode 0600).
	// Empty: a fresh key for this module's life.
	KeyFile string

	// Events receives every event of the module and of every service; nil: none. It is called
	// from one goroutine per service and one for the module, each in order, and must not block
	// for long: 256 events wait, more are lost and logged. It must not close the service or
	// module, which wait for it.
	Events func(Event)

	// LogEvents makes events of kind log of what the module and its services log, from this
	// level on; nil: none.
	LogEvents slog.Leveler

	// Port is the module's UDP port, for firewalls that want to know it; 0: any free one.
	Port uint16

	// RelayOnly leaves out direct paths to cameras and to other viewers.
	RelayOnly bool

	// MaxUpload bounds what a 1vN stream uploads to other viewers, bytes/s; 0: 85 % of what
	// the line is found to carry.
	MaxUpload float64

	// Logger; nil: discarded.
	Logger *slog.Logger

	// CommandTimeout bounds SendCommand; 0: 7.5 s, the original's.
	CommandTimeout time.Duration

	// ConnectTimeout bounds StartService's way to the camera; 0: 10 s.
	ConnectTimeout time.Duration
}

func (c Config) validate() error {
	if c.Rendezvous != "" {
		if err := c.App.Validate(); err != nil {
			return err
		}
	}
	if c.CommandTimeout < 0 || c.ConnectTimeout < 0 {
		return errors.New("a time-out is negative")
	}
	if c.MaxUpload < 0 {
		return errors.New("the upload limit is negative")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.CommandTimeout == 0 {
		c.CommandTimeout = defaultCommandTimeout
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = defaultConnectTimeout
	}
	return c
}

const (
	defaultCommandTimeout = 7500 * time.Millisecond // reference/xp2p.md §2, sendCommand
	defaultConnectTimeout = 10 * time.Second
)
