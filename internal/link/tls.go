// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// ErrPin says that the peer holds another key than the one that was pinned.
var ErrPin = errors.New("the peer's key is not the pinned one")

var errUnknownLink = errors.New("no link of that name")

// tlsConfig is one side of a link: own key, the other's pin. Certificates are
// self-signed, so the usual chain building is replaced by the pin.
func tlsConfig(id *Identity, peer Pin) *tls.Config {
	return &tls.Config{
		Certificates:       []tls.Certificate{id.cert},
		MinVersion:         tls.VersionTLS13,
		NextProtos:         []string{http3.NextProtoH3},
		InsecureSkipVerify: true, // VerifyConnection pins instead
		ClientAuth:         tls.RequireAnyClientCert,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if pin, err := peerPin(cs); err != nil || pin != peer {
				return ErrPin
			}
			return nil
		},
	}
}

// anyPeerTLS is the dialled side of a link on the LAN: the peer must prove a key, whichever.
func anyPeerTLS(id *Identity) *tls.Config {
	c := tlsConfig(id, Pin{})
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		_, err := peerPin(cs)
		return err
	}
	return c
}

// peerPin is the pin of the key that the peer of a handshake proved.
func peerPin(cs tls.ConnectionState) (Pin, error) {
	if len(cs.PeerCertificates) == 0 {
		return Pin{}, ErrPin
	}
	return sha256.Sum256(cs.PeerCertificates[0].RawSubjectPublicKeyInfo), nil
}

const (
	// quicKeepAlive decides how soon a NAT rebinding heals.
	quicKeepAlive = 2 * time.Second
	// quicIdleTimeout is the backstop where ICE does not notice that a peer is gone.
	quicIdleTimeout = 12 * time.Second
	// maxStreams: a link carries a few long requests and many short ones.
	maxStreams = 1024
	// packetSize is the UDP payload of a QUIC packet. It stays fixed: a path may
	// change to a relay, which takes 4 to 40 bytes of every packet for itself,
	// at any moment, and a size that was probed on the old path would be lost there.
	packetSize = 1280
)

func quicConfig() *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:           4 * time.Second,
		MaxIdleTimeout:                 quicIdleTimeout,
		KeepAlivePeriod:                quicKeepAlive,
		MaxIncomingStreams:             maxStreams,
		MaxIncomingUniStreams:          16,
		InitialStreamReceiveWindow:     512 << 10,
		MaxStreamReceiveWindow:         8 << 20,
		InitialConnectionReceiveWindow: 768 << 10,
		MaxConnectionReceiveWindow:     16 << 20,
		InitialPacketSize:              packetSize,
		DisablePathMTUDiscovery:        true,
	}
}
