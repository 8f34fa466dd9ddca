// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/grant"
)

// What the grant commands do in a camera's state directory: key.pem is the camera's
// key, xp2p-info the grant that it printed, and grants.json the book of the others.

const maxNote = 200

func createGrant(o grantOptions) (string, error) {
	rights, err := grant.ParseRights(o.rights)
	if err != nil {
		return "", err
	}
	if o.holds < 0 {
		return "", errors.New("--for cannot be negative")
	}
	if len(o.note) > maxNote {
		return "", fmt.Errorf("--note is longer than %d bytes", maxNote)
	}
	g := grant.Grant{Product: o.product, Device: o.device, Version: o.version, Rights: rights, Viewer: o.viewer}
	if own, err := ownGrant(o.state); err != nil {
		return "", err
	} else if own != nil {
		if o.product != "" && o.product != own.Product || o.device != "" && o.device != own.Device {
			return "", fmt.Errorf("the camera of %s is %s/%s, not %s/%s", o.state, own.Product, own.Device, o.product, o.device)
		}
		g.Product, g.Device, g.Version, g.Flags = own.Product, own.Device, own.Version, own.Flags
	}
	if g.Product == "" || g.Device == "" {
		return "", fmt.Errorf("the camera of %s has not run yet, so its name is not known: give --product and --device", o.state)
	}
	if g.Version == "" {
		g.Version = "1.0.0"
	}
	if o.viewer != "" {
		if err := device.CheckViewerPin(o.viewer); err != nil {
			return "", fmt.Errorf("--viewer: %w (xp2p grant viewer-key prints it)", err)
		}
	}
	if o.holds > 0 {
		g.Expires = time.Now().Add(o.holds)
	}
	book, err := grant.OpenBook(filepath.Join(o.state, grant.BookFile))
	if err != nil {
		return "", err
	}
	info, err := device.IssueFrom(filepath.Join(o.state, "key.pem"), g)
	if err != nil {
		return "", err
	}
	made, err := grant.Parse(info)
	if err != nil {
		return "", err
	}
	return info, book.Add(grant.EntryOf(made, o.note))
}

// ownGrant is the grant that the camera itself printed and keeps; nil where it has none yet.
func ownGrant(state string) (*grant.Grant, error) {
	if info, err := os.Stat(state); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is no camera's state directory (the --state of xp2p camera)", state)
	}
	b, err := os.ReadFile(filepath.Join(state, "xp2p-info"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	g, err := grant.Parse(string(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(state, "xp2p-info"), err)
	}
	return g, nil
}

// ownNote marks the grant that the camera made for itself.
const ownNote = "the camera's own xp2p-info"

// listGrants are the grants of the book, and the camera's own where it is not in there.
func listGrants(state string) ([]grant.Entry, error) {
	own, err := ownGrant(state)
	if err != nil {
		return nil, err
	}
	book, err := grant.OpenBook(filepath.Join(state, grant.BookFile))
	if err != nil {
		return nil, err
	}
	entries, err := book.Entries()
	if err != nil {
		return nil, err
	}
	if own != nil && !slices.ContainsFunc(entries, func(e grant.Entry) bool { return e.ID == own.ID }) {
		entries = append([]grant.Entry{grant.EntryOf(own, ownNote)}, entries...)
	}
	return entries, nil
}

// revokeGrant revokes a grant by its id, or by the xp2pInfo itself; own: it is the camera's own.
func revokeGrant(state, which string) (own bool, err error) {
	entries, err := listGrants(state)
	if err != nil {
		return false, err
	}
	var e grant.Entry
	if g, err := grant.Parse(which); err == nil {
		e = grant.EntryOf(g, "")
	} else {
		e.ID = which
	}
	i := slices.IndexFunc(entries, func(o grant.Entry) bool { return o.ID == e.ID })
	switch {
	case i >= 0:
		e = entries[i]
	case e.Issued.IsZero(): // an id alone
		return false, fmt.Errorf("the camera has no grant %q (xp2p grant list shows them)", which)
	}
	book, err := grant.OpenBook(filepath.Join(state, grant.BookFile))
	if err != nil {
		return false, err
	}
	return e.Note == ownNote, book.Revoke(e, time.Now())
}
