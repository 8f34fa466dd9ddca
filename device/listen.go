// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"errors"
	"fmt"
	"io"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/demux/flv"
)

const (
	// maxTalkTag is the largest tag of a talk: a key picture of a video call.
	maxTalkTag = 1 << 20
	// maxTalkSound is the most sound in one tag: more than a second of any.
	maxTalkSound = 256 << 10
	// maxTalkDamage is how many stretches of a talk may be damaged until it is ended.
	maxTalkDamage = 20
	talkRead      = 16 << 10
)

var errGarbled = errors.New("what was sent is not FLV, or is damaged too often")

// listen plays an FLV stream of a stranger until it ends; heard is called for every
// unit that was played. A read error of body is passed on.
func listen(body io.Reader, sound Sound, talk Talk, heard func()) error {
	p := flv.NewParser(flv.Options{MaxTag: maxTalkTag})
	var tag flv.Tag
	var u demux.Unit
	for damage, empty := 0, 0; ; {
		switch err := p.Next(&tag, &u); {
		case err == nil:
			played, err := play(&u, sound, talk)
			if err != nil {
				return err
			}
			if played {
				heard()
			}
		case err != flv.ErrNeedMore:
			if damage++; damage > maxTalkDamage {
				return fmt.Errorf("%w: %w", errGarbled, err)
			}
		default:
			n, err := body.Read(p.Space(talkRead))
			p.Filled(n)
			switch {
			case n > 0:
				empty = 0 // an error comes again with the next Read
			case err == io.EOF && p.Buffered() > 0 && p.Stats().Tags == 0:
				return errGarbled
			case err == io.EOF && p.Buffered() > 0:
				return io.ErrUnexpectedEOF
			case err == io.EOF:
				return nil
			case err != nil:
				return err
			default:
				if empty++; empty > 100 {
					return io.ErrNoProgress
				}
			}
		}
	}
}

// play hands one unit on. Sound of another codec than was asked for ends the talk:
// the talker would never learn otherwise that nobody hears it.
func play(u *demux.Unit, sound Sound, talk Talk) (played bool, err error) {
	if u.EndOfSequence || u.Kind == demux.Data {
		return false, nil
	}
	if u.Kind == demux.Audio {
		if u.Codec != sound.Codec {
			return false, fmt.Errorf("the camera takes %s, but %s came", sound, u.Codec)
		}
		if u.Codec == demux.PCM && (u.Rate != sound.Rate || u.Channels != sound.Channels) {
			return false, fmt.Errorf("the camera takes %s, but rate=%d;channels=%d came", sound, u.Rate, u.Channels)
		}
		if len(u.Data) > maxTalkSound {
			return false, fmt.Errorf("%d bytes of sound in one tag, at most %d are taken", len(u.Data), maxTalkSound)
		}
	} else if u.Codec == demux.CodecUnknown {
		return false, nil
	}
	if err := talk.Play(u); err != nil {
		return false, fmt.Errorf("the speaker failed: %w", err)
	}
	return !u.Config, nil
}
