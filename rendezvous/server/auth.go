// SPDX-License-Identifier: LGPL-2.1-or-later

package server

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/jwt/v2"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/xp2p/xp2p/rendezvous"
)

// authService answers NATS' question who a connection is and what it may do
// (NATS "auth callout"). It is an ordinary client, so it works for a cluster too.
type authService struct {
	issuer nkeys.KeyPair
	app    rendezvous.App
	reg    *registry
	log    *slog.Logger
}

func startAuth(ns *natsserver.Server, log *slog.Logger, sec secrets, user string, app rendezvous.App, reg *registry) (*nats.Conn, error) {
	issuer, err := nkeys.FromSeed([]byte(sec.Issuer))
	if err != nil {
		return nil, err
	}
	a := &authService{issuer: issuer, app: app, reg: reg, log: log.With("part", "auth")}
	nc, err := nats.Connect("", nats.InProcessServer(ns), nats.Name("xp2p auth"), nats.UserInfo(user, sec.Service))
	if err != nil {
		return nil, fmt.Errorf("connect auth service: %w", err)
	}
	_, err = nc.Subscribe(natsserver.AuthCalloutSubject, a.handle)
	return nc, errors.Join(err, nc.FlushTimeout(5*time.Second))
}

func (a *authService) handle(m *nats.Msg) {
	req, err := jwt.DecodeAuthorizationRequestClaims(string(m.Data))
	if err != nil {
		a.log.Error("authorization request", "err", err)
		return
	}
	res := jwt.NewAuthorizationResponseClaims(req.UserNkey)
	res.Audience = req.Server.ID
	perm, err := a.decide(req)
	if err == nil {
		res.Jwt, err = a.userJWT(req.UserNkey, req.ConnectOptions.Name, perm)
	}
	if err != nil {
		a.log.Warn("connection refused", "client", req.ConnectOptions.Name, "address", req.ClientInformation.Host, "err", err)
		res.Error = "refused" // the reason is for our log, not for a stranger
	}
	token, err := res.Encode(a.issuer)
	if err != nil {
		a.log.Error("authorization response", "err", err)
		return
	}
	m.Respond([]byte(token))
}

// decide says what a connection may do, or why it may not connect.
func (a *authService) decide(req *jwt.AuthorizationRequestClaims) (jwt.Permissions, error) {
	o := req.ConnectOptions
	if err := verifyNonce(o.Nkey, o.SignedNonce, req.ClientInformation.Nonce); err != nil {
		return jwt.Permissions{}, err
	}
	inbox, ok := rendezvous.InboxOf(o.Name)
	if !ok {
		return jwt.Permissions{}, errors.New("the client's name carries no inbox")
	}
	subjects := rendezvous.SubjectsOf(a.app.OauthID)
	var p jwt.Permissions
	p.Sub.Allow.Add(inbox + ".>")
	p.Pub.Allow.Add(subjects.ICE())
	if o.Nkey == a.app.Key {
		p.Pub.Allow.Add(subjects.Devices(), subjects.Sources(),
			subjects.Device("*", "*", rendezvous.VerbOffer),
			subjects.Device("*", "*", rendezvous.VerbSignal))
		return p, nil
	}
	d, err := a.device(o)
	if err != nil {
		return jwt.Permissions{}, err
	}
	p.Sub.Allow.Add(subjects.Device(d.Product, d.Device, "*"))
	p.Pub.Allow.Add("_INBOX.>", subjects.Device(d.Product, d.Device, rendezvous.VerbAlive))
	return p, nil
}

// device checks that the connection's key is the device's.
func (a *authService) device(o jwt.ConnectOptions) (rendezvous.TokenClaims, error) {
	if o.Token == "" {
		return rendezvous.TokenClaims{}, errors.New("neither the application's key nor a device's token")
	}
	d, err := rendezvous.VerifyDeviceToken(o.Token)
	switch {
	case err != nil:
		return d, err
	case d.Issuer != a.app.Key || d.Tenant != a.app.OauthID:
		return d, errors.New("the device's token is of another application")
	case d.Key != o.Nkey:
		return d, errors.New("the device's token is for another key")
	}
	return d, a.reg.claim(d.Tenant, d.Product, d.Device, o.Nkey)
}

func verifyNonce(key, sig, nonce string) error {
	if key == "" || sig == "" || nonce == "" {
		return errors.New("no key")
	}
	kp, err := nkeys.FromPublicKey(key)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(sig)
	if err != nil {
		return errors.New("signature is not base64url")
	}
	return kp.Verify([]byte(nonce), raw)
}

func (a *authService) userJWT(userKey, name string, p jwt.Permissions) (string, error) {
	u := jwt.NewUserClaims(userKey)
	u.Name = name
	u.Audience = peersAccount
	u.Permissions = p
	u.Limits.Payload = maxPayload
	u.Limits.Subs = 4096
	return u.Encode(a.issuer)
}
