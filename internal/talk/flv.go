// SPDX-License-Identifier: LGPL-2.1-or-later

package talk

import (
	"errors"
	"fmt"
	"io"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

// openFLV takes the sound out of an FLV stream, and the pictures where they are wanted.
func openFLV(r io.Reader, want Format, o Options) *Source {
	in := flv.NewReader(r, flv.Options{})
	var tag flv.Tag
	var u demux.Unit
	var conv *Converter
	heard := false
	return &Source{func() (*demux.Unit, error) {
		for {
			err := in.Next(&tag, &u)
			switch {
			case errors.Is(err, io.ErrUnexpectedEOF): // cut off within a tag: what was before it is whole
				err = io.EOF
				fallthrough
			case errors.Is(err, io.EOF):
				if !heard {
					return nil, fmt.Errorf("%s has no sound that is known here", o.Name)
				}
				return nil, err
			case err != nil:
				return nil, fmt.Errorf("%s: %w", o.Name, err)
			}
			if u.Codec == demux.CodecUnknown || u.EndOfSequence || u.Kind == demux.Video && !o.Video {
				continue
			}
			if u.Kind != demux.Audio {
				return &u, nil
			}
			heard = true
			if u.Codec == demux.AAC && want.Codec == demux.AAC {
				return &u, nil // its rate is in its configuration, which the camera gets too
			}
			has := Format{u.Codec, u.Rate, u.Channels}
			if linear(u.Codec) {
				has.Channels = max(has.Channels, 1)
			}
			if conv == nil || conv.has != has {
				if conv, err = NewConverter(has, want); err != nil {
					return nil, &FormatError{Name: o.Name, Has: has, Want: want}
				}
			}
			u.Codec, u.Rate, u.Channels, u.Data = want.Codec, want.Rate, want.Channels, conv.Convert(u.Data)
			if len(u.Data) == 0 {
				continue
			}
			return &u, nil
		}
	}}
}
