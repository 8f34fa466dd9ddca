// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/recorder"
)

func newVerifyCommand() *cobra.Command {
	var keyFile string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify FILE" + recorder.ManifestSuffix,
		Short: "Check that an export is as the recorder made it",
		Long: `Check the manifest of an export, which record.export writes with "sign": that nobody changed
it, and that the files it names, which must be beside it, are as they were. It says whose key
signed it; with --key it must be that one.

A recorder's private key is export.key in its first storage; this gives its public half:
  openssl pkey -in export.key -pubout`,
		Example: `  xp2p verify gate.mp4.manifest.json --key recorder.pub`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var want ed25519.PublicKey
			if keyFile != "" {
				var err error
				if want, err = readPublicKey(keyFile); err != nil {
					return badArgument(err)
				}
			}
			m, key, err := recorder.VerifyManifest(cmd.Context(), args[0], want)
			if err != nil {
				return err
			}
			return printManifest(cmd.OutOrStdout(), m, key, want != nil, asJSON)
		},
	}
	cmd.Flags().StringVar(&keyFile, "key", "", "`FILE` with the public key that must have signed it, in PEM")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the manifest as JSON")
	return cmd
}

// maxKeyFile bounds what is read as a key.
const maxKeyFile = 64 << 10

func readPublicKey(file string) (ed25519.PublicKey, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("%s holds no public key in PEM: openssl pkey -in export.key -pubout makes one", file)
	}
	any, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	key, ok := any.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New(file + " holds a key that is not an Ed25519 one")
	}
	return key, nil
}

func printManifest(w io.Writer, m *recorder.Manifest, key ed25519.PublicKey, known, asJSON bool) error {
	signer := base64.StdEncoding.EncodeToString(key)
	if asJSON {
		return json.NewEncoder(w).Encode(struct {
			Key string `json:"key"`
			*recorder.Manifest
		}{signer, m})
	}
	at := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000 MST") }
	fmt.Fprintf(w, "ok: %s from %s to %s, exported %s\n", m.Camera, at(m.From), at(m.To), at(m.Created))
	for _, f := range m.Files {
		fmt.Fprintf(w, "    %s: %.3f s, %d bytes, SHA-256 %s\n", f.Name, f.Duration, f.Bytes, f.SHA256)
		for _, s := range f.Captured {
			fmt.Fprintf(w, "      at %.3f s: captured from %s to %s\n", s.At, at(s.Start), at(s.End))
		}
	}
	for _, g := range m.Gaps {
		to := "the end"
		if !g.To.IsZero() {
			to = at(g.To)
		}
		fmt.Fprintf(w, "    not recorded from %s to %s, cause %s\n", at(g.From), to, g.Cause)
	}
	if known {
		_, err := fmt.Fprintln(w, "signed by the key that was given")
		return err
	}
	_, err := fmt.Fprintf(w, "signed by %s; whose key that is, you must know (--key)\n", signer)
	return err
}
