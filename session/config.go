package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
)

// AppParams name the account at the rendezvous: the original's appParams.
type AppParams struct {
	OauthID   string `json:"appOauthId"`   // the tenant
	Key       string `json:"appKey"`       // public NATS user key, "U…"
	SecretKey string `json:"appSecretKey"` // its seed, "SU…"; never logged
	Package   string `json:"appPackage"`   // the application
}

// LogValue keeps the secret out of every log.
func (a AppParams) LogValue() slog.Value {
	return slog.GroupValue(slog.String("appOauthId", a.OauthID), slog.String("appKey", a.Key), slog.String("appPackage", a.Package))
}

// Validate says which of the four parameters is missing.
func (a AppParams) Validate() error {
	for _, p := range []struct{ name, value string }{
		{"appOauthId", a.OauthID}, {"appKey", a.Key}, {"appSecretKey", a.SecretKey}, {"appPackage", a.Package},
	} {
		if p.value == "" {
			return fmt.Errorf("appParams: %s is missing", p.name)
		}
	}
	return nil
}

// ReadAppParams reads the JSON file that `xp2p rendezvous` writes (app.json).
func ReadAppParams(file string) (AppParams, error) {
	var a AppParams
	b, err := os.ReadFile(file)
	if err != nil {
		return a, fmt.Errorf("read app file: %w (xp2p rendezvous writes it into its --state directory as app.json)", err)
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return a, fmt.Errorf("app file %s: %w", file, err)
	}
	if err := a.Validate(); err != nil {
		return a, fmt.Errorf("app file %s: %w", file, err)
	}
	return a, nil
}

// Config is the argument of Init. It is copied.
type Config struct {
	App AppParams // required

	// Rendezvous is the URL that `xp2p rendezvous` prints, "nats://HOST:PORT" (required for 1v1
	// unless every service connects on the LAN).
	Rendezvous string

	// KeyFile holds this viewer's private key (PEM, made at first use, mode 0600).
	// Empty: a fresh key for this module's life.
	KeyFile string

	// Events receives every event of every service; nil: none. It is called from one goroutine
	// per service, in order, and must not block for long: a service waits for it.
	Events func(Event)

	// Logger; nil: discarded.
	Logger *slog.Logger

	// CommandTimeout bounds SendCommand; 0: 7.5 s, the original's.
	CommandTimeout time.Duration

	// ConnectTimeout bounds StartService's way to the camera; 0: 10 s.
	ConnectTimeout time.Duration
}

func (c Config) validate() error {
	if err := c.App.Validate(); err != nil {
		return err
	}
	if c.Rendezvous == "" {
		return errors.New("no rendezvous given (its URL is what `xp2p rendezvous` prints; flag --rendezvous or XP2P_RENDEZVOUS)")
	}
	if c.CommandTimeout < 0 || c.ConnectTimeout < 0 {
		return errors.New("a time-out is negative")
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
