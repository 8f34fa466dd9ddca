// SPDX-License-Identifier: LGPL-2.1-or-later

package chunk

import (
	"encoding/binary"
	"errors"
)

const (
	tagHeaderSize = 11
	tagOverhead   = tagHeaderSize + 4 // with PreviousTagSize
	maxUint24     = 1<<24 - 1
)

// errTags says that bytes are not whole FLV tags.
var errTags = errors.New("it is not whole FLV tags")

// walkTags looks at b as whole FLV tags one behind the other and calls visit (may be
// nil) for each. It returns their number.
func walkTags(b []byte, visit func(tag []byte)) (n int, err error) {
	for ; len(b) > 0; n++ {
		if len(b) < tagOverhead {
			return n, errTags
		}
		size := tagOverhead + int(binary.BigEndian.Uint32(b)&maxUint24)
		if size > len(b) {
			return n, errTags
		}
		if visit != nil {
			visit(b[:size])
		}
		b = b[size:]
	}
	return n, nil
}

// tagTime reads the timestamp of the tag at b in ms.
func tagTime(b []byte) uint32 {
	return binary.BigEndian.Uint32(b[3:])&maxUint24 | uint32(b[7])<<24
}

// setTagTime stamps the tag at b.
func setTagTime(b []byte, ms uint32) {
	b[4], b[5], b[6], b[7] = byte(ms>>16), byte(ms>>8), byte(ms), byte(ms>>24)
}
