// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
)

// ask sends a request that may live long and waits for the header of its answer: at most
// ConnectTimeout for a link, where there is none, and as long again for the answer. The request's own context, which cancel ends,
// is that of the whole exchange. An answer other than 200 is an error; failed is the
// code of every failure that has no other.
func (s *Service) ask(ctx context.Context, op string, failed Code, req *http.Request, cancel context.CancelFunc) (*http.Response, error) {
	res, lost, err := s.askOnce(ctx, op, req, cancel)
	if lost && req.Method == http.MethodGet {
		// The link was at its end when it was asked, and there is another one now. What is
		// not a GET may have had its effect.
		res, _, err = s.askOnce(ctx, op, req, cancel)
	}
	var coded *Error
	switch {
	case errors.As(err, &coded):
		return nil, coded
	case err != nil:
		return nil, &Error{op, failed, broken(err)}
	}
	s.events.notify(Parsed, ParsedDetail{res.StatusCode, res.Header})
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, &Error{op, refusalCode(res.StatusCode, failed), cameraRefusal(res)}
	}
	return res, nil
}

// askOnce sends the request over the link that stands or is made now. lost says that this
// link ended before it brought an answer.
func (s *Service) askOnce(ctx context.Context, op string, req *http.Request, cancel context.CancelFunc) (_ *http.Response, lost bool, err error) {
	l, err := s.connected(ctx, op)
	if err != nil {
		return nil, false, err
	}
	ctx, done := context.WithTimeoutCause(ctx, s.m.cfg.ConnectTimeout, errors.New("the camera did not answer the request"))
	defer done()
	stop := context.AfterFunc(ctx, cancel)
	s.events.notify(Request, RequestDetail{req.Method, req.URL.RequestURI()})
	res, err := l.RoundTrip(req)
	switch stopped := stop(); {
	case err == nil && stopped:
		return res, false, nil
	case err == nil:
		res.Body.Close()
		return nil, false, context.Cause(ctx)
	case ctx.Err() != nil:
		return nil, false, context.Cause(ctx)
	}
	if lerr := l.Err(); lerr != nil {
		return nil, true, lerr
	}
	return nil, false, err
}

// refusalCode is the code for a camera's no (docs/design/0005, "Status").
func refusalCode(status int, failed Code) Code {
	switch status {
	case http.StatusNotAcceptable:
		return NotSupported
	case http.StatusConflict:
		return AlreadyStarted
	}
	return failed
}

// maxRefusal bounds what is read of a camera's reason.
const maxRefusal = 4 << 10

// Refusal is a camera's no to a request: an Error wraps it, whose code says less than
// Status does.
type Refusal struct {
	Status int // of HTTP, and of get_device_st (docs/design/0005, "Status"): 405 is too many
	Reason string
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("the camera refused with status %d: %s", r.Status, r.Reason)
}

// cameraRefusal is a camera's no to a request, in words.
func cameraRefusal(res *http.Response) error {
	var r struct {
		Error string `json:"error"`
	}
	b, _ := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
	if json.Unmarshal(b, &r) != nil || r.Error == "" {
		r.Error = http.StatusText(res.StatusCode)
	}
	return &Refusal{Status: res.StatusCode, Reason: r.Error}
}

// channelQuery is the query "channel=N" with further parameters behind it.
func channelQuery(channel int, params string) (string, error) {
	if channel < 0 {
		return "", fmt.Errorf("channel %d: the first is 0", channel)
	}
	q := "channel=" + strconv.Itoa(channel)
	if params != "" {
		if _, err := url.ParseQuery(params); err != nil {
			return "", fmt.Errorf("parameters: %w", err)
		}
		q += "&" + params
	}
	return q, nil
}

// broken is what ended the body of an exchange from outside. QUIC's errors count as
// net.ErrClosed, which our callers take for their own closing: they stay text.
func broken(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return errors.New(err.Error())
	}
	return err
}
