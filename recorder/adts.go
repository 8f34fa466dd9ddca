// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

const (
	// aacFrame is how many samples of each channel an AAC frame has.
	aacFrame = 1024
	// adtsHeader is the length of a frame's header without its checksum, and maxADTS of
	// a frame at most: its length has 13 bits.
	adtsHeader = 7
	maxADTS    = 1<<13 - 1
)

var errADTS = errors.New("recorder: malformed ADTS")

// adtsReader takes AAC out of ADTS (ISO/IEC 14496-3 §1.A.3), frame by frame.
//
//	sync 12 | id 1 | layer 2 | no checksum 1 | object type-1 2 | rate 4 | private 1 | channels 3 |
//	4 more bits | frame length 13 | fullness 11 | frames-1 2 [ | checksum 16 ] | AAC
type adtsReader struct {
	r      *bufio.Reader
	config [2]byte // AudioSpecificConfig of the first frame; zero: there was none yet
	frame  []byte
}

func newADTSReader(r io.Reader) *adtsReader {
	return &adtsReader{r: bufio.NewReaderSize(r, 64<<10), frame: make([]byte, maxADTS)}
}

// next gives a frame without its header, until the next call; io.EOF: there is none.
func (a *adtsReader) next() ([]byte, error) {
	var h [adtsHeader]byte
	if _, err := io.ReadFull(a.r, h[:]); err != nil {
		if err == io.ErrUnexpectedEOF {
			return nil, fmt.Errorf("%w: cut in a header", errADTS)
		}
		return nil, err
	}
	head, length := adtsHeader, int(h[3]&3)<<11|int(h[4])<<3|int(h[5])>>5
	if h[1]&1 == 0 {
		head += 2
	}
	object, rate, channels := h[2]>>6+1, h[2]>>2&15, h[2]&1<<2|h[3]>>6
	switch {
	case h[0] != 0xff || h[1]&0xf6 != 0xf0:
		return nil, fmt.Errorf("%w: no header where one should be", errADTS)
	case length <= head:
		return nil, fmt.Errorf("%w: a frame of %d bytes", errADTS, length)
	case h[6]&3 != 0:
		return nil, fmt.Errorf("%w: several frames under one header", errADTS)
	}
	// audioObjectType 5, samplingFrequencyIndex 4, channelConfiguration 4, GASpecificConfig 000.
	config := [2]byte{object<<3 | rate>>1, rate<<7 | channels<<3}
	if a.config == ([2]byte{}) {
		a.config = config
	} else if a.config != config {
		return nil, fmt.Errorf("%w: its configuration changes", errADTS)
	}
	frame := a.frame[:length-adtsHeader]
	if _, err := io.ReadFull(a.r, frame); err != nil {
		return nil, fmt.Errorf("%w: cut in a frame", errADTS)
	}
	return frame[head-adtsHeader:], nil
}
