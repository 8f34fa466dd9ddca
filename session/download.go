// SPDX-License-Identifier: LGPL-2.1-or-later

package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
)

// DownloadRequest says which file of the camera to fetch.
type DownloadRequest struct {
	Channel  int
	FileName string // as get_file_list gives it
	// Offset is where in the file to begin, in bytes: how much of it is there already.
	Offset int64
	// Params are further parameters ("requester=…&user_args=…"); empty: none.
	Params string
}

const maxFileName = 1 << 10

func (r DownloadRequest) query() (string, error) {
	switch {
	case r.FileName == "":
		return "", errors.New("no file name (the command get_file_list lists the camera's files)")
	case len(r.FileName) > maxFileName:
		return "", fmt.Errorf("the file name has %d bytes, at most %d are sent", len(r.FileName), maxFileName)
	case r.Offset < 0:
		return "", fmt.Errorf("offset %d: it cannot be negative", r.Offset)
	}
	q, err := channelQuery(r.Channel, r.Params)
	if err != nil {
		return "", err
	}
	return "action=download&file_name=" + url.QueryEscape(r.FileName) + "&offset=" + strconv.FormatInt(r.Offset, 10) + "&" + q, nil
}

// Download is a file of the camera under way: an io.ReadCloser of its bytes from the
// offset on. Close and the counters may be called from any goroutine; Close wakes Read.
type Download struct {
	s      *Service
	key    string
	cancel context.CancelFunc
	size   int64
	at     atomic.Int64

	mu     sync.Mutex
	res    *http.Response
	closed bool
}

// StartDownload fetches a file from the camera: the original's startLocalDownload. ctx
// bounds the call, not the download. Several files may be fetched at once, one file
// once at a time. Errors have the codes BadArgument, AlreadyStarted, NoService,
// NotSupported, DownloadFailed (also the camera's no: no such file, an offset behind
// its end) and those of StartService.
func (s *Service) StartDownload(ctx context.Context, r DownloadRequest) (*Download, error) {
	const op = "startLocalDownload"
	query, err := r.query()
	if err != nil {
		return nil, &Error{op, BadArgument, err}
	}
	run, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(run, http.MethodGet, "https://camera/ipc.flv?"+query, nil)
	if err != nil {
		cancel()
		return nil, &Error{op, BadArgument, fmt.Errorf("download parameters: %w", err)}
	}
	d := &Download{s: s, key: strconv.Itoa(r.Channel) + "/" + r.FileName, cancel: cancel}
	d.at.Store(r.Offset)
	s.mu.Lock()
	switch {
	case s.closed:
		err = &Error{op, NoService, errServiceClosed}
	case s.downloads[d.key] != nil:
		err = &Error{op, AlreadyStarted, fmt.Errorf("%q is being fetched already: stop that first", r.FileName)}
	default:
		s.downloads[d.key] = d
	}
	s.mu.Unlock()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := d.open(ctx, op, req); err != nil {
		cancel()
		d.detach()
		return nil, err
	}
	return d, nil
}

func (d *Download) open(ctx context.Context, op string, req *http.Request) error {
	res, err := d.s.ask(ctx, op, DownloadFailed, req, d.cancel)
	if err != nil {
		return err
	}
	if d.size, err = fileSize(res, d.Offset()); err != nil {
		res.Body.Close()
		return &Error{op, DownloadFailed, err}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		res.Body.Close()
		return &Error{op, NoService, errServiceClosed}
	}
	d.res = res
	return nil
}

// fileSize is the whole file's size as the answer to a download states it.
func fileSize(res *http.Response, offset int64) (int64, error) {
	h := res.Header.Get("X-Xp2p-Size")
	if h == "" && res.ContentLength >= 0 {
		return offset + res.ContentLength, nil
	}
	n, err := strconv.ParseInt(h, 10, 64)
	if err != nil || n < offset {
		return 0, fmt.Errorf("the camera states the file's size as %.40q, which is not one from offset %d on", h, offset)
	}
	return n, nil
}

// Size is the size of the whole file in bytes.
func (d *Download) Size() int64 { return d.size }

// Offset is how much of the file is there by now: the request's offset and what was read.
// It is the offset to go on from after a failure.
func (d *Download) Offset() int64 { return d.at.Load() }

// Read gives the file's bytes. It ends with io.EOF exactly when the whole file is
// there, with an *Error of code DownloadFailed when it broke off, and with an error
// that wraps net.ErrClosed after Close.
func (d *Download) Read(b []byte) (int, error) {
	n, err := d.res.Body.Read(b)
	if rest := d.size - d.Offset(); int64(n) > rest {
		return 0, &Error{"startLocalDownload", DownloadFailed, fmt.Errorf("the camera sent more than the file's %d bytes", d.size)}
	}
	at := d.at.Add(int64(n))
	if n > 0 || err == nil {
		return n, nil
	}
	d.mu.Lock()
	closed := d.closed
	d.mu.Unlock()
	switch {
	case closed:
		return 0, errDownloadClosed
	case errors.Is(err, io.EOF) && at == d.size:
		return 0, io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return 0, &Error{"startLocalDownload", DownloadFailed, fmt.Errorf("it broke off at %d of %d bytes (go on from offset %d): %w", at, d.size, at, broken(err))}
}

var errDownloadClosed = fmt.Errorf("download: %w", net.ErrClosed)

// Close stops the download: the original's stopLocalDownload.
func (d *Download) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	res := d.res
	d.mu.Unlock()
	d.detach() // before Read wakes: whoever it belongs to may start it anew at once
	d.cancel()
	if res != nil {
		res.Body.Close()
	}
	return nil
}

func (d *Download) detach() {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	if d.s.downloads[d.key] == d {
		delete(d.s.downloads, d.key)
	}
}

// StopDownloads stops every download of the service: the original's stopLocalDownload.
func (s *Service) StopDownloads() {
	s.mu.Lock()
	var all []*Download
	for _, d := range s.downloads {
		all = append(all, d)
	}
	s.mu.Unlock()
	for _, d := range all {
		d.Close()
	}
}
