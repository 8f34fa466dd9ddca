// SPDX-License-Identifier: LGPL-2.1-or-later

// Package rendezvous is where peers find each other: signalling and presence
// over NATS, as cameras and viewers use it. The server is in rendezvous/server.
//
// Subjects, T a tenant, P a product, D a device:
//
//	xp2p.T.ice             request: STUN and TURN servers with time-limited credentials
//	xp2p.T.devices         request: the devices that are present
//	xp2p.T.sources         request of one of several sources of a 1vN stream: who the others are
//	xp2p.T.d.P.D.offer     request of a viewer to a device: begin a link
//	xp2p.T.d.P.D.signal    later signals of a viewer for a link that it began
//	xp2p.T.d.P.D.alive     a device's keep-alive
//	_INBOX.R.>             answers and signals to one connection; R is random and
//	                       known only to whom the connection wrote
//
// Who connects is decided by the server from the connection's key (an nkey,
// proven by a signature). The application's key may send offers; a device's own
// key, with a token that the application's key signed, may listen to offers for
// that device alone. Nobody else can speak for a device, and the first key to
// speak for a device is the only one that may from then on.
package rendezvous

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// Subjects of one tenant.
type Subjects struct{ tenant string }

// SubjectsOf are the subjects of a tenant; "*" is any.
func SubjectsOf(tenant string) Subjects { return Subjects{tenant} }

func (s Subjects) ICE() string     { return "xp2p." + s.tenant + ".ice" }
func (s Subjects) Devices() string { return "xp2p." + s.tenant + ".devices" }
func (s Subjects) Sources() string { return "xp2p." + s.tenant + ".sources" }

// Device is the subject of one device and verb; "*" is any.
func (s Subjects) Device(product, device, verb string) string {
	return strings.Join([]string{"xp2p", s.tenant, "d", product, device, verb}, ".")
}

// DeviceOf takes a device's subject apart.
func DeviceOf(subject string) (tenant, product, device, verb string, ok bool) {
	t := strings.Split(subject, ".")
	if len(t) != 6 || t[0] != "xp2p" || t[2] != "d" {
		return
	}
	return t[1], t[3], t[4], t[5], true
}

// Verbs of a device's subjects.
const (
	VerbOffer  = "offer"
	VerbSignal = "signal"
	VerbAlive  = "alive"
)

// InboxOf is the prefix of the inboxes of a connection with the given client name.
func InboxOf(clientName string) (prefix string, ok bool) {
	_, id, ok := strings.Cut(clientName, "/")
	if !ok || len(id) != 22 || ValidName("inbox", id) != nil {
		return "", false
	}
	return "_INBOX." + id, true
}

// newClientName is "viewer/" or "device/" and 128 random bits.
func newClientName(role string) string {
	var b [16]byte
	rand.Read(b[:])
	return role + "/" + base64.RawURLEncoding.EncodeToString(b[:])
}
