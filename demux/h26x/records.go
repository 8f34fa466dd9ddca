package h26x

import "encoding/binary"

// recordReader cuts length-delimited NAL units from a configuration record.
type recordReader struct{ b []byte }

func (r *recordReader) byte() (byte, error) {
	if len(r.b) < 1 {
		return 0, ErrShort
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v, nil
}

func (r *recordReader) uint16() (int, error) {
	if len(r.b) < 2 {
		return 0, ErrShort
	}
	v := binary.BigEndian.Uint16(r.b)
	r.b = r.b[2:]
	return int(v), nil
}

// nals appends count NAL units, each behind a 16-bit length, to dst. Empty ones
// are left out.
func (r *recordReader) nals(dst [][]byte, count int) ([][]byte, error) {
	for range count {
		n, err := r.uint16()
		if err != nil {
			return dst, err
		}
		if n > len(r.b) {
			return dst, ErrShort
		}
		if len(dst) >= MaxParameterSets {
			return dst, ErrLimit
		}
		if n > 0 {
			dst = append(dst, r.b[:n:n])
		}
		r.b = r.b[n:]
	}
	return dst, nil
}

// checkSets says whether sets can be put into a record.
func checkSets(sets [][]byte, most int, missing error) error {
	if len(sets) == 0 {
		return missing
	}
	if len(sets) > most {
		return ErrLimit
	}
	for _, s := range sets {
		if len(s) == 0 {
			return missing
		}
		if len(s) > MaxParameterSet {
			return ErrLimit
		}
	}
	return nil
}

func appendSets(dst []byte, sets [][]byte) []byte {
	for _, s := range sets {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(s)))
		dst = append(dst, s...)
	}
	return dst
}
