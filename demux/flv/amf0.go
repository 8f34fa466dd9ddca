package flv

import (
	"encoding/binary"
	"errors"
	"math"
)

// Markers of AMF0 values (Action Message Format 0, §2.1).
const (
	amfNumber     = 0x00 // 64-bit float
	amfBoolean    = 0x01 // 1 byte
	amfString     = 0x02 // length 16, UTF-8
	amfObject     = 0x03 // properties
	amfNull       = 0x05
	amfUndefined  = 0x06
	amfReference  = 0x07 // 16 bits
	amfECMAArray  = 0x08 // count 32, properties
	amfObjectEnd  = 0x09 // behind an empty name: end of properties
	amfArray      = 0x0a // count 32, values
	amfDate       = 0x0b // 64-bit float, time zone 16
	amfLongString = 0x0c // length 32, UTF-8
)

// Limits of what is read; real metadata is far below them.
const (
	amfMaxDepth  = 8
	amfMaxValues = 1024
)

var (
	errAMFShort  = errors.New("flv: script data ends inside a value")
	errAMFMarker = errors.New("flv: script data has a value of unknown type")
	errAMFLimit  = errors.New("flv: script data is nested or repeated beyond the limit")
)

// amfReader reads AMF0 from b, which it only slices.
type amfReader struct {
	b      []byte
	values int // read so far, nested ones too
}

func (r *amfReader) take(n int) ([]byte, error) {
	if n > len(r.b) {
		return nil, errAMFShort
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v, nil
}

// name reads a string without a marker, as property names are.
func (r *amfReader) name() ([]byte, error) {
	n, err := r.take(2)
	if err != nil {
		return nil, err
	}
	return r.take(int(binary.BigEndian.Uint16(n)))
}

// properties calls f with every name of an object; f must read the value. The
// end marker may be missing where the data ends, as some encoders leave it out.
func (r *amfReader) properties(f func(name []byte) error) error {
	for len(r.b) > 0 {
		name, err := r.name()
		if err != nil {
			return err
		}
		if len(name) == 0 && len(r.b) > 0 && r.b[0] == amfObjectEnd {
			r.b = r.b[1:]
			return nil
		}
		if err := f(name); err != nil {
			return err
		}
	}
	return nil
}

// amfValue is a scalar; values of other types keep only their marker.
type amfValue struct {
	marker byte
	number float64 // also a boolean's 0 or 1
	text   []byte
}

// value reads one value and skips what is nested in it.
func (r *amfReader) value(depth int) (v amfValue, err error) {
	if r.values++; r.values > amfMaxValues || depth > amfMaxDepth {
		return v, errAMFLimit
	}
	m, err := r.take(1)
	if err != nil {
		return v, err
	}
	v.marker = m[0]
	switch v.marker {
	case amfNumber, amfDate:
		size := 8
		if v.marker == amfDate {
			size += 2
		}
		var b []byte
		if b, err = r.take(size); err == nil {
			v.number = math.Float64frombits(binary.BigEndian.Uint64(b))
		}
	case amfBoolean:
		var b []byte
		if b, err = r.take(1); err == nil && b[0] != 0 {
			v.number = 1
		}
	case amfString:
		v.text, err = r.name()
	case amfLongString:
		var b []byte
		if b, err = r.take(4); err == nil {
			v.text, err = r.take(int(min(binary.BigEndian.Uint32(b), math.MaxInt32)))
		}
	case amfNull, amfUndefined:
	case amfReference:
		_, err = r.take(2)
	case amfECMAArray:
		if _, err = r.take(4); err == nil {
			err = r.skipProperties(depth)
		}
	case amfObject:
		err = r.skipProperties(depth)
	case amfArray:
		err = r.skipArray(depth)
	default:
		err = errAMFMarker
	}
	return v, err
}

func (r *amfReader) skipProperties(depth int) error {
	return r.properties(func([]byte) error {
		_, err := r.value(depth + 1)
		return err
	})
}

func (r *amfReader) skipArray(depth int) error {
	n, err := r.take(4)
	if err != nil {
		return err
	}
	for range binary.BigEndian.Uint32(n) {
		if _, err := r.value(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

func appendAMFName(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s)))
	return append(dst, s...)
}

func appendAMFNumber(dst []byte, name string, v float64) []byte {
	dst = append(appendAMFName(dst, name), amfNumber)
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(v))
}

func appendAMFBool(dst []byte, name string, v bool) []byte {
	dst = append(appendAMFName(dst, name), amfBoolean, 0)
	if v {
		dst[len(dst)-1] = 1
	}
	return dst
}

func appendAMFString(dst []byte, name, v string) []byte {
	dst = append(appendAMFName(dst, name), amfString)
	return appendAMFName(dst, v)
}
