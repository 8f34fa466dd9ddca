// SPDX-License-Identifier: LGPL-2.1-or-later

package rendezvous

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
)

// App names an account at the rendezvous: the original's appParams
// (reference/xp2p.md §2, init).
type App struct {
	OauthID   string `json:"appOauthId"`   // the tenant
	Key       string `json:"appKey"`       // public NATS user key, "U…"
	SecretKey string `json:"appSecretKey"` // its seed, "SU…"; it never leaves the machine and is never logged
	Package   string `json:"appPackage"`   // the application
}

// LogValue keeps the secret out of every log.
func (a App) LogValue() slog.Value {
	return slog.GroupValue(slog.String("appOauthId", a.OauthID), slog.String("appKey", a.Key), slog.String("appPackage", a.Package))
}

// Validate says which of the four parameters is missing.
func (a App) Validate() error {
	for _, p := range []struct{ name, value string }{
		{"appOauthId", a.OauthID}, {"appKey", a.Key}, {"appSecretKey", a.SecretKey}, {"appPackage", a.Package},
	} {
		if p.value == "" {
			return fmt.Errorf("appParams: %s is missing", p.name)
		}
	}
	return ValidName("appOauthId", a.OauthID)
}

// ReadApp reads the JSON file that `xp2p rendezvous` writes (app.json).
func ReadApp(file string) (App, error) {
	var a App
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

// maxName is the length of a tenant's, product's or device's name.
const maxName = 64

// ValidName says whether a tenant, product or device may be called name: 1 to 64
// letters, digits, hyphens and underscores. what names it in the error.
func ValidName(what, name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("%s %q must have 1 to %d characters", what, name, maxName)
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		default:
			return fmt.Errorf("%s %q: only letters, digits, - and _ are allowed", what, name)
		}
	}
	return nil
}
