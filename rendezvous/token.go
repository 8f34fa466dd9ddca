// SPDX-License-Identifier: LGPL-2.1-or-later

package rendezvous

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// A device's token says, signed by the application's key, that a key belongs to
// a device of the application. It is made anew for every connection.
const tokenLifetime = 10 * time.Minute

// DeviceToken signs that deviceKey (a public nkey) speaks for product/device.
func DeviceToken(app App, product, device, deviceKey string) (string, error) {
	kp, err := nkeys.FromSeed([]byte(app.SecretKey))
	if err != nil {
		return "", fmt.Errorf("appSecretKey: %w", err)
	}
	defer kp.Wipe()
	c := jwt.NewGenericClaims(deviceKey)
	c.Expires = time.Now().Add(tokenLifetime).Unix()
	c.Data["tenant"], c.Data["product"], c.Data["device"] = app.OauthID, product, device
	return c.Encode(kp)
}

// TokenClaims is what a device's token says.
type TokenClaims struct {
	Issuer  string // the application's public key
	Key     string // the device's
	Tenant  string
	Product string
	Device  string
}

// VerifyDeviceToken checks signature and expiry; the caller decides on the issuer.
func VerifyDeviceToken(token string) (TokenClaims, error) {
	c, err := jwt.DecodeGeneric(token)
	if err != nil {
		return TokenClaims{}, fmt.Errorf("device token: %w", err)
	}
	if c.Expires == 0 || time.Now().Unix() > c.Expires {
		return TokenClaims{}, errors.New("device token has expired (are both clocks right?)")
	}
	t := TokenClaims{Issuer: c.Issuer, Key: c.Subject}
	t.Tenant, _ = c.Data["tenant"].(string)
	t.Product, _ = c.Data["product"].(string)
	t.Device, _ = c.Data["device"].(string)
	return t, errors.Join(ValidName("tenant", t.Tenant), ValidName("product", t.Product), ValidName("device", t.Device))
}

// deviceKeyPair is a device's key in the form that NATS wants.
func deviceKeyPair(key ed25519.PrivateKey) (nkeys.KeyPair, error) {
	seed, err := nkeys.EncodeSeed(nkeys.PrefixByteUser, key.Seed())
	if err != nil {
		return nil, err
	}
	return nkeys.FromSeed(seed)
}
