// SPDX-License-Identifier: LGPL-2.1-or-later

package viewer

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/xp2p/xp2p/session"
)

// What a link gives besides its stream.

func (l *link) Stats() session.LinkStats { return l.s.Stats() }

// Swarm makes it a receiver.Swarmer.
func (l *link) Swarm() (session.SwarmStats, bool) { return l.s.Swarm() }

func (l *link) Command(ctx context.Context, command string) (session.CommandResult, error) {
	return l.s.SendCommand(ctx, command)
}

func isDownload(params string) bool {
	q, err := url.ParseQuery(params)
	return err == nil && q.Get("action") == "download"
}

// download gives the bytes of a file, which is a receiver.Sized.
func (l *link) download(ctx context.Context, params string) (io.ReadCloser, error) {
	r, err := downloadRequest(params)
	if err != nil {
		return nil, &session.Error{Op: "startLocalDownload", Code: session.BadArgument, Err: err}
	}
	d, err := l.s.StartDownload(ctx, r)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func downloadRequest(params string) (r session.DownloadRequest, err error) {
	q, err := url.ParseQuery(params)
	if err != nil {
		return r, fmt.Errorf("parameters: %w", err)
	}
	if s := q.Get("channel"); s != "" {
		if r.Channel, err = strconv.Atoi(s); err != nil {
			return r, fmt.Errorf("channel=%.20s is no number", s)
		}
	}
	if s := q.Get("offset"); s != "" {
		if r.Offset, err = strconv.ParseInt(s, 10, 64); err != nil {
			return r, fmt.Errorf("offset=%.20s is no number of bytes", s)
		}
	}
	r.FileName = q.Get("file_name")
	for _, own := range []string{"action", "channel", "offset", "file_name"} {
		q.Del(own)
	}
	r.Params = q.Encode()
	return r, nil
}
