package flv

import "encoding/binary"

// lengthSize is how many bytes of length the units of this package have before
// each NAL unit.
const lengthSize = 4

// checkNALs walks an access unit of NAL units behind 4-byte lengths. Every NAL
// unit must have at least one byte and the last must end with the access unit.
func checkNALs(b []byte) error {
	if len(b) == 0 {
		return ErrShortBody
	}
	for len(b) > 0 {
		if len(b) <= lengthSize {
			return ErrNALSize
		}
		n := binary.BigEndian.Uint32(b)
		if n == 0 || uint64(n) > uint64(len(b)-lengthSize) {
			return ErrNALSize
		}
		b = b[lengthSize+n:]
	}
	return nil
}

// widenNALs appends the access unit b, whose lengths have size bytes (1 to 3),
// to dst with lengths of 4 bytes. It fails as checkNALs does.
func widenNALs(dst, b []byte, size int) ([]byte, error) {
	if len(b) == 0 {
		return dst, ErrShortBody
	}
	for len(b) > 0 {
		if len(b) <= size {
			return dst, ErrNALSize
		}
		n := 0
		for _, c := range b[:size] {
			n = n<<8 | int(c)
		}
		if n == 0 || n > len(b)-size {
			return dst, ErrNALSize
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(n))
		dst = append(dst, b[size:size+n]...)
		b = b[size+n:]
	}
	return dst, nil
}
