// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// ManifestSuffix is what the manifest of an export is called behind the name of its
// first file: clip.mp4.manifest.json.
const ManifestSuffix = ".manifest.json"

// Manifest says what an export is, signed by the recorder that made it. The file is
//
//	{"manifest": {…}, "key": "…", "signature": "…"}
//
// where key is an Ed25519 public key and signature that of manifestContext followed by
// the bytes of the manifest as they are in the file (RFC 8032), both in base64.
type Manifest struct {
	Version int            `json:"version"` // 1
	Camera  string         `json:"camera"`
	From    time.Time      `json:"from"` // as was asked for
	To      time.Time      `json:"to"`
	Exact   bool           `json:"exact"`
	AAC     bool           `json:"aac,omitempty"` // G.711 was turned into it
	Created time.Time      `json:"created"`
	Files   []ManifestFile `json:"files"`
	// Gaps are what the ledger says of the time that is not in the files.
	Gaps []Gap `json:"gaps"`
}

// ManifestFile is a file of an export; Name has no directory.
type ManifestFile struct {
	Name     string            `json:"name"`
	Bytes    int64             `json:"bytes"`
	SHA256   string            `json:"sha256"`
	Duration float64           `json:"duration"` // s
	Captured []ManifestStretch `json:"captured"`
}

// ManifestStretch says when a stretch of a file was captured.
type ManifestStretch struct {
	At    float64   `json:"at"` // s, in the file
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// manifestContext keeps the signature from meaning anything else.
const manifestContext = "xp2p export manifest 1\n"

// signed is the file.
type signed struct {
	Manifest  json.RawMessage   `json:"manifest"`
	Key       ed25519.PublicKey `json:"key"`
	Signature []byte            `json:"signature"`
}

// maxManifest bounds a manifest that is read.
const maxManifest = 64 << 20

// ErrManifest says that a manifest, or a file of it, is not what was signed.
var ErrManifest = errors.New("recorder: the manifest does not hold")

// writeManifest signs what was exported.
func (a *Archive) writeManifest(ctx context.Context, r *ExportRequest, files []ExportedFile) error {
	gaps, err := a.Gaps(ctx, r.Camera, r.From, r.To)
	if err != nil {
		return err
	}
	m := Manifest{Version: 1, Camera: r.Camera, From: r.From.UTC(), To: r.To.UTC(), Exact: r.Exact, AAC: r.AAC, Created: a.cfg.Now().UTC().Truncate(time.Second), Gaps: gaps}
	for _, f := range files {
		mf := ManifestFile{Name: filepath.Base(f.Path), Bytes: f.Bytes, SHA256: f.SHA256, Duration: f.Duration.Seconds()}
		for _, s := range f.Stretches {
			mf.Captured = append(mf.Captured, ManifestStretch{s.At.Seconds(), s.Start.UTC(), s.End.UTC()})
		}
		m.Files = append(m.Files, mf)
	}
	b, err := signManifest(&m, r.Sign)
	if err != nil {
		return err
	}
	name := r.Path + ManifestSuffix
	if err := writeSynced(name+partialSuffix, b); err != nil {
		return err
	}
	if err := rename(name+partialSuffix, name, r.Overwrite); err != nil {
		return errors.Join(err, os.Remove(name+partialSuffix))
	}
	return osFS{}.SyncDir(filepath.Dir(name))
}

func signManifest(m *Manifest, key ed25519.PrivateKey) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, errors.New("the key is no Ed25519 private key")
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return json.Marshal(&signed{Manifest: text, Key: key.Public().(ed25519.PublicKey), Signature: ed25519.Sign(key, append([]byte(manifestContext), text...))})
}

// readManifest checks a manifest's signature and gives it with its key.
func readManifest(b []byte) (*Manifest, ed25519.PublicKey, error) {
	var s signed
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&s); err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrManifest, err)
	}
	if len(s.Key) != ed25519.PublicKeySize || !ed25519.Verify(s.Key, append([]byte(manifestContext), s.Manifest...), s.Signature) {
		return nil, nil, fmt.Errorf("%w: its signature is not that of its text", ErrManifest)
	}
	var m Manifest
	if err := json.Unmarshal(s.Manifest, &m); err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrManifest, err)
	}
	if m.Version != 1 {
		return nil, nil, fmt.Errorf("%w: version %d, this program knows 1", ErrManifest, m.Version)
	}
	return &m, s.Key, nil
}

// VerifyManifest reads a manifest and the files of it, which are beside it, and says who
// signed it. An error that is ErrManifest says what is not as it was signed: a manifest
// that was changed, a file that was changed, cut or is missing, or a key other than
// want (nil: any key will do, and the caller must know whose it is).
func VerifyManifest(ctx context.Context, path string, want ed25519.PublicKey) (*Manifest, ed25519.PublicKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	f.Close()
	if err != nil {
		return nil, nil, err
	}
	if len(b) > maxManifest {
		return nil, nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrManifest, path, maxManifest)
	}
	m, key, err := readManifest(b)
	if err != nil {
		return nil, nil, err
	}
	if want != nil && !want.Equal(key) {
		return m, key, fmt.Errorf("%w: it is signed by another key", ErrManifest)
	}
	if len(m.Files) == 0 {
		return m, key, fmt.Errorf("%w: it names no file", ErrManifest)
	}
	for _, x := range m.Files {
		if err := x.verify(ctx, filepath.Dir(path)); err != nil {
			return m, key, err
		}
	}
	return m, key, nil
}

func (x *ManifestFile) verify(ctx context.Context, dir string) error {
	if x.Name != filepath.Base(x.Name) || x.Name == "." || x.Name == ".." {
		return fmt.Errorf("%w: %q is no name of a file", ErrManifest, x.Name)
	}
	f, err := os.Open(filepath.Join(dir, x.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is missing", ErrManifest, x.Name)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, contextReader{ctx, f})
	if err != nil {
		return err
	}
	if n != x.Bytes || hex.EncodeToString(h.Sum(nil)) != x.SHA256 {
		return fmt.Errorf("%w: %s was changed", ErrManifest, x.Name)
	}
	return nil
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(b []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(b)
}

// LoadSigningKey reads an Ed25519 private key (PKCS #8 in PEM, as openssl genpkey makes
// it); where there is no file, it makes one that its owner alone can read.
func LoadSigningKey(path string) (ed25519.PrivateKey, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeSigningKey(path)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("%s holds no private key in PEM: restore it, or remove it for a new one", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a key that is not an Ed25519 one", path)
	}
	return private, nil
}

func makeSigningKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return key, osFS{}.SyncDir(filepath.Dir(path))
}
