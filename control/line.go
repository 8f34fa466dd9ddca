// SPDX-License-Identifier: LGPL-2.1-or-later

package control

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// maxLine is the longest line that is read: a request with a 16 KiB command,
// escaped in the worst way, has a tenth of it. A client reads longer answers.
const maxLine = 1 << 20

// sendTimeout is how long a client may leave what was sent to it unread.
const sendTimeout = 10 * time.Second

var errLine = fmt.Errorf("control: a line has more than %d bytes", maxLine)

// lineChannel is the framing of the socket: one JSON text per line. It is
// jrpc2's channel.Line with a limit and a time-out.
type lineChannel struct {
	conn  net.Conn
	in    *bufio.Reader
	limit int // of a line, bytes; 0: none
	out   []byte
}

func newLineChannel(c net.Conn, limit int) *lineChannel {
	return &lineChannel{conn: c, in: bufio.NewReader(c), limit: limit}
}

// Send writes one line; newlines inside a JSON text are only between its tokens.
func (l *lineChannel) Send(b []byte) error {
	l.out = append(append(l.out[:0], bytes.ReplaceAll(b, []byte{'\n'}, []byte{' '})...), '\n')
	if err := l.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	_, err := l.conn.Write(l.out)
	return err
}

// Recv reads one line that is not empty. io.EOF at the end.
func (l *lineChannel) Recv() ([]byte, error) {
	for {
		b, err := readLine(l.in, nil, l.limit) // the caller keeps it
		if b = bytes.TrimSpace(b); len(b) > 0 && (err == nil || err == io.EOF) {
			return b, nil
		}
		if errors.Is(err, errLine) {
			l.Send([]byte(`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"` + err.Error() + `","data":{"code":-2000}}}`))
		}
		if err != nil {
			return nil, err
		}
	}
}

func (l *lineChannel) Close() error { return l.conn.Close() }

// readLine appends a line without its end to dst; errLine when it exceeds limit.
func readLine(r *bufio.Reader, dst []byte, limit int) ([]byte, error) {
	for {
		b, err := r.ReadSlice('\n')
		if limit > 0 && len(dst)+len(b) > limit {
			return dst, errLine
		}
		dst = append(dst, b...)
		if err == bufio.ErrBufferFull {
			continue
		}
		return bytes.TrimRight(dst, "\r\n"), err
	}
}
