// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// Pin is the SHA-256 of a peer's SubjectPublicKeyInfo (RFC 7469 §2.4): what a
// peer must be, whoever signed its certificate.
type Pin [sha256.Size]byte

// String is the pin in unpadded base64url, 43 characters.
func (p Pin) String() string { return base64.RawURLEncoding.EncodeToString(p[:]) }

// IsZero says that no pin was set.
func (p Pin) IsZero() bool { return p == Pin{} }

// ParsePin reads what String wrote.
func ParsePin(s string) (Pin, error) {
	var p Pin
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(p) {
		return p, errors.New("not a key pin (43 characters of base64url)")
	}
	copy(p[:], b)
	return p, nil
}

// PinOf is the pin of a public key.
func PinOf(pub ed25519.PublicKey) (Pin, error) {
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return Pin{}, err
	}
	return sha256.Sum256(spki), nil
}

// Identity is a peer's own key and the self-signed certificate that carries it.
type Identity struct {
	key  ed25519.PrivateKey
	cert tls.Certificate
	pin  Pin
}

// NewIdentity makes an identity with a fresh key.
func NewIdentity() (*Identity, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return newIdentity(key)
}

// LoadIdentity reads the PKCS #8 key of file, or makes one there (mode 0600) at first use.
func LoadIdentity(file string) (*Identity, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return createIdentity(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("key file %s holds no PEM block PRIVATE KEY; remove it to have a new key made", file)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", file, err)
	}
	key, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("key file %s holds a %T, an Ed25519 key is needed", file, k)
	}
	return newIdentity(key)
}

func createIdentity(file string) (*Identity, error) {
	id, err := NewIdentity()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".key-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	return id, nil
}

func newIdentity(key ed25519.PrivateKey) (*Identity, error) {
	pub := key.Public().(ed25519.PublicKey)
	pin, err := PinOf(pub)
	if err != nil {
		return nil, err
	}
	// Only the key counts: peers check its pin, not names, dates or issuers.
	t := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(pin[:16]),
		Subject:      pkix.Name{CommonName: "xp2p peer"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280 §4.1.2.5: no well-defined expiration
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, pub, key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Identity{key: key, pin: pin, cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}, nil
}

// Pin is what peers pin.
func (id *Identity) Pin() Pin { return id.pin }

// Key is the private key itself, for signing grants.
func (id *Identity) Key() ed25519.PrivateKey { return id.key }
