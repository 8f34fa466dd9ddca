// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
)

const (
	// maxDownloads at once, over all viewers; the next one gets 405.
	maxDownloads = 8
	// downloadPiece is how much is read of a file and written at once.
	downloadPiece = 256 << 10
	// maxFileName is the longest name that is looked for.
	maxFileName = 255
)

// serveDownload is action=download: a file that get_file_list names, from offset on.
func (d *Device) serveDownload(w http.ResponseWriter, r *streamRequest) {
	name := r.query.Get("file_name")
	if name == "" || len(name) > maxFileName {
		refuse(w, statusNotFound, fmt.Sprintf("file_name must have 1 to %d bytes: get_file_list gives the names", maxFileName))
		return
	}
	offset, err := offsetParam(r.query.Get("offset"))
	if err != nil {
		refuse(w, statusNotFound, err.Error())
		return
	}
	if r.archive == nil {
		refuse(w, statusUnsupported, noArchive)
		return
	}
	if !d.beginDownload() {
		refuse(w, statusTooMany, fmt.Sprintf("too many downloads: this camera serves %d at once", maxDownloads))
		return
	}
	defer d.endDownload()
	ctx, cancel := d.until(w, r.Request)
	defer cancel()
	f, err := r.archive.OpenFile(ctx, name)
	if err != nil {
		refuseArchive(w, fmt.Errorf("%q: %w", name, err))
		return
	}
	defer f.Close()
	size := f.Size()
	if offset > size {
		refuse(w, statusBehindEnd, fmt.Sprintf("offset %d is behind the end of the file, which has %d bytes", offset, size))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(size-offset, 10))
	h.Set("X-Xp2p-Size", strconv.FormatInt(size, 10))
	w.WriteHeader(http.StatusOK)
	// Plain writes: a bulk copy by the response writer would read in small pieces.
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, io.NewSectionReader(f, offset, size-offset), make([]byte, downloadPiece))
	r.log.Info("download ends", "file", name, "offset", offset, "bytes", n, "err", err)
}

func offsetParam(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("offset %q is not a number of bytes", s)
	}
	return n, nil
}

func (d *Device) beginDownload() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.downloads == maxDownloads {
		return false
	}
	d.downloads++
	return true
}

func (d *Device) endDownload() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.downloads--
}
