package input

import (
	"io"
	"sync"
)

// pipe carries bytes from one goroutine to another through a bounded buffer.
// When it is full Write waits for the reader, which slows the source down.
// Unlike with io.Pipe, a writer may be ahead of the first Read.
type pipe struct {
	mu      sync.Mutex
	changed sync.Cond // on any change of what follows
	buf     []byte
	r       int   // buf[r:] is unread
	err     error // set once; ends both sides
}

// pipeSize is how many bytes a pipe holds before Write waits: some seconds of a
// camera. A single Write may exceed it.
const pipeSize = 1 << 20

func newPipe() *pipe {
	p := new(pipe)
	p.changed.L = &p.mu
	return p
}

// Write takes all of b, or fails when the pipe was closed.
func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.err == nil && len(p.buf)-p.r >= pipeSize {
		p.changed.Wait()
	}
	if p.err != nil {
		return 0, io.ErrClosedPipe
	}
	if p.r > 0 && len(p.buf)+len(b) > cap(p.buf) {
		p.buf = p.buf[:copy(p.buf, p.buf[p.r:])]
		p.r = 0
	}
	p.buf = append(p.buf, b...)
	p.changed.Broadcast()
	return len(b), nil
}

// Read waits for bytes. What was written before the pipe was closed can still
// be read, unless drop threw it away.
func (p *pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.err == nil && p.r == len(p.buf) {
		p.changed.Wait()
	}
	if p.r == len(p.buf) {
		return 0, p.err
	}
	n := copy(b, p.buf[p.r:])
	if p.r += n; p.r == len(p.buf) {
		p.buf, p.r = p.buf[:0], 0
	}
	p.changed.Broadcast()
	return n, nil
}

// closeWrite ends the pipe with err, which Read gives after the bytes before it.
func (p *pipe) closeWrite(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.changed.Broadcast()
}

// drop ends the pipe with err at once.
func (p *pipe) drop(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	p.buf, p.r = nil, 0
	p.changed.Broadcast()
}
