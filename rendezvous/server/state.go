// SPDX-License-Identifier: LGPL-2.1-or-later

package server

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nkeys"
	"github.com/xp2p/xp2p/rendezvous"
)

// The state directory holds, each of mode 0600:
//
//	app.json       the first application's parameters, for cameras and viewers
//	server.json    the server's own secrets
//	jetstream/     NATS' store
const (
	appFile    = "app.json"
	serverFile = "server.json"
)

// secrets are the server's own.
type secrets struct {
	Issuer     string `json:"issuer"`     // account seed that signs what connections may do
	Service    string `json:"service"`    // user seed of the server's own services
	TURNSecret string `json:"turnSecret"` // shared with the TURN server (draft-uberti-behave-turn-rest)
}

func loadSecrets(dir string) (secrets, error) {
	var s secrets
	err := loadOrCreate(filepath.Join(dir, serverFile), &s, func() error {
		var err1, err2 error
		s.Issuer, err1 = newSeed(nkeys.CreateAccount)
		s.Service, err2 = newSeed(nkeys.CreateUser)
		s.TURNSecret = randomText()
		return errors.Join(err1, err2)
	})
	return s, err
}

func loadApp(dir string) (rendezvous.App, error) {
	var a rendezvous.App
	err := loadOrCreate(filepath.Join(dir, appFile), &a, func() error {
		kp, err := nkeys.CreateUser()
		if err != nil {
			return err
		}
		seed, err1 := kp.Seed()
		pub, err2 := kp.PublicKey()
		a = rendezvous.App{OauthID: "t" + randomText()[:12], Key: pub, SecretKey: string(seed), Package: "xp2p"}
		return errors.Join(err1, err2)
	})
	if err == nil {
		err = a.Validate()
	}
	return a, err
}

func newSeed(create func() (nkeys.KeyPair, error)) (string, error) {
	kp, err := create()
	if err != nil {
		return "", err
	}
	seed, err := kp.Seed()
	return string(seed), err
}

func randomText() string {
	var b [24]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// loadOrCreate reads v from file, or has create fill v and writes it there.
func loadOrCreate(file string, v any, create func() error) error {
	b, err := os.ReadFile(file)
	if err == nil {
		if err := json.Unmarshal(b, v); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := create(); err != nil {
		return err
	}
	if b, err = json.MarshalIndent(v, "", "  "); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".tmp-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
