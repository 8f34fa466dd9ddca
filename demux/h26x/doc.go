// Package h26x reads and builds what surrounds the NAL units of H.264 and
// H.265: decoder configuration records, sequence parameter sets and the two
// ways of delimiting NAL units.
//
// Parameter sets come from cameras over a network. Sizes and counts are checked
// before they are used, slices that are returned alias their input, and no
// input can make a function here panic or allocate more than a small multiple
// of the input's size.
package h26x

import "errors"

// Limits. Real configuration records have a few hundred bytes.
const (
	// MaxConfig is the largest decoder configuration record that is read, in bytes.
	MaxConfig = 64 << 10
	// MaxParameterSet is the largest parameter set whose contents are read, in bytes.
	MaxParameterSet = 4 << 10
	// MaxParameterSets is how many of each kind a record may hold: the ids of
	// PPS in H.264 go up to 255 (ITU-T H.264 §7.4.2.2).
	MaxParameterSets = 256
)

var (
	ErrShort   = errors.New("h26x: data ends inside a field")
	ErrVersion = errors.New("h26x: configuration record has an unknown version")
	ErrLimit   = errors.New("h26x: size or count beyond the limit")
	ErrNoSPS   = errors.New("h26x: no sequence parameter set")
	ErrNoPPS   = errors.New("h26x: no picture parameter set")
	ErrNoVPS   = errors.New("h26x: no video parameter set")
	ErrSPS     = errors.New("h26x: bad sequence parameter set")
	ErrNAL     = errors.New("h26x: NAL units do not fill the access unit")
)

// LengthSize is how many bytes of length precede a NAL unit in the records that
// are built here and in the units of package demux.
const LengthSize = 4
