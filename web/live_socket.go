// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// A browser opens at most six connections of HTTP/1.1 to a server, and HTTP/2 needs
// TLS. A page of many live pictures therefore asks for them by WebSocket (RFC 6455): the
// same bytes in binary messages. Nothing a client may send means anything here, so that
// nothing of it is read but that it came: it ends the stream, as a close frame should.

// upgrades says whether a request wants to become a WebSocket.
func upgrades(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && strings.Contains(strings.ToLower(r.Header.Get("Connection")), "upgrade")
}

// socketGUID is RFC 6455 §1.3's.
const socketGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// socketAccept answers a client's Sec-WebSocket-Key.
func socketAccept(key string) string {
	sum := sha1.Sum([]byte(key + socketGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// serveSocket sends stream in messages until either ends.
func serveSocket(w http.ResponseWriter, r *http.Request, stream io.Reader) error {
	key := r.Header.Get("Sec-WebSocket-Key")
	if b, err := base64.StdEncoding.DecodeString(key); err != nil || len(b) != 16 || r.Header.Get("Sec-WebSocket-Version") != "13" {
		w.Header().Set("Sec-WebSocket-Version", "13")
		refuse(w, http.StatusUpgradeRequired, "a WebSocket of version 13 is spoken here (RFC 6455)")
		return nil
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuse(w, http.StatusInternalServerError, "this connection cannot become a WebSocket")
		return err
	}
	defer conn.Close()
	// The deadlines are the server's for requests.
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	stop := context.AfterFunc(r.Context(), func() { conn.Close() })
	defer stop()
	s := &socket{conn: conn}
	if err := s.put([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + socketAccept(key) + "\r\n\r\n")); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		conn.Read(make([]byte, 1)) // a close frame, the end, or what nobody asked for
		conn.Close()               // wakes the writer
	}()
	defer func() { conn.Close(); <-gone }()
	buf := make([]byte, liveBuffer)
	for {
		n, err := stream.Read(buf)
		if n > 0 {
			if err := s.message(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return s.put([]byte{0x88, 2, 1000 >> 8, 1000 & 0xff}) // close: normal
		}
		if err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
	}
}

// socket writes frames.
type socket struct {
	conn   net.Conn
	header [10]byte
}

func (s *socket) put(b ...[]byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	v := net.Buffers(b)
	_, err := v.WriteTo(s.conn)
	return err
}

// message sends one binary message in one frame (§5.2), without a mask as servers do.
func (s *socket) message(b []byte) error {
	h := append(s.header[:0], 0x82)
	switch n := len(b); {
	case n < 126:
		h = append(h, byte(n))
	case n < 1<<16:
		h = binary.BigEndian.AppendUint16(append(h, 126), uint16(n))
	default:
		h = binary.BigEndian.AppendUint64(append(h, 127), uint64(n))
	}
	return s.put(h, b)
}
