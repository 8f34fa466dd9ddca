// SPDX-License-Identifier: LGPL-2.1-or-later

package fmp4

import "io"

// window reads a little ahead, since the headers of a part are next to each other and
// its samples, which nobody wants, are not: one read for each part instead of five.
type window struct {
	r    io.ReaderAt
	at   int64
	have []byte // what there is from at on
	buf  [4096]byte
}

// ReadAhead is r for those who read headers one after the other, as ReadPartAt does. It
// belongs to one goroutine.
func ReadAhead(r io.ReaderAt) io.ReaderAt { return &window{r: r} }

// ReadAt is io.ReaderAt's. What is larger than the window is read past it.
func (w *window) ReadAt(b []byte, at int64) (int, error) {
	if len(b) > len(w.buf) {
		return w.r.ReadAt(b, at)
	}
	if at < w.at || at+int64(len(b)) > w.at+int64(len(w.have)) {
		n, err := w.r.ReadAt(w.buf[:], at)
		w.at, w.have = at, w.buf[:n]
		if n < len(b) {
			return copy(b, w.have), err // err is not nil, as a ReaderAt promises
		}
	}
	return copy(b, w.have[at-w.at:]), nil
}
