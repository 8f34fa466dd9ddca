// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/internal/talk"
	"github.com/xp2p/xp2p/session"
)

type talkOptions struct {
	input, format  string
	rate, channels int
	channel        int
	params         string
	video, json    bool
}

func newTalkCommand() *cobra.Command {
	var o talkOptions
	cmd := &cobra.Command{
		Use:   "talk --xp2p-info INFO --input FILE",
		Short: "Say something through a camera's speaker",
		Long: `Say something through a camera's speaker, in real time, until the input or Ctrl-C ends it.
The input is a WAV or FLV file, or bare samples with --format; - is standard input. It is
coded as G.711 where the camera wants that; AAC passes through from FLV. Another sampling
rate than the camera's is refused: the error has the ffmpeg line that converts it.`,
		Example: `  xp2p talk --xp2p-info cam/xp2p-info --input hello.wav
  arecord -f S16_LE -r 8000 -c 1 -t raw | xp2p talk --xp2p-info cam/xp2p-info --input - --format s16le --rate 8000
  ffmpeg -i song.mp3 -ar 8000 -ac 1 -f wav - | xp2p talk --xp2p-info cam/xp2p-info --input -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTalk(cmd, o) },
	}
	addViewerFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.input, "input", "", "`FILE` to say, - for standard input (required)")
	f.StringVar(&o.format, "format", "", "of bare samples: s16le, alaw or mulaw; without it the input is WAV or FLV")
	f.IntVar(&o.rate, "rate", 8000, "sampling rate of bare samples in `HZ`")
	f.IntVar(&o.channels, "channels", 1, "channels of bare samples")
	f.IntVar(&o.channel, "channel", 0, "channel of the camera, for an NVR")
	f.StringVar(&o.params, "params", "", "further `QUERY` parameters (requester=…&user_args=…)")
	f.BoolVar(&o.video, "video", false, "send the pictures of an FLV input too: a video call")
	f.BoolVar(&o.json, "json", false, "print the summary as JSON")
	cmd.MarkFlagRequired("input")
	return cmd
}

// raw is the format of bare samples; nil: the input says it itself.
func (o talkOptions) raw() (*talk.Format, error) {
	if o.format == "" {
		return nil, nil
	}
	return talk.RawFormat(o.format, o.rate, o.channels)
}

// talkSummary is what was said.
type talkSummary struct {
	Seconds float64 `json:"seconds"`
	Bytes   int     `json:"bytes"`  // of coded sound and pictures
	Format  string  `json:"format"` // as the camera wanted it
	Path    string  `json:"path"`
}

func runTalk(cmd *cobra.Command, o talkOptions) error {
	raw, err := o.raw()
	if err != nil {
		return badArgument(err)
	}
	in, name := cmd.InOrStdin(), "standard input"
	if o.input != "-" {
		f, err := os.Open(o.input)
		if err != nil {
			return badArgument(err)
		}
		defer f.Close()
		in, name = f, o.input
	}
	return visit(cmd, nil, func(ctx context.Context, s *session.Service) error {
		v, err := s.StartVoice(ctx, session.VoiceRequest{Channel: o.channel, Params: o.params, Video: o.video})
		if err != nil {
			return err
		}
		sum := talkSummary{Format: v.Format().String(), Path: s.Path().Path}
		said := make(chan error, 1)
		// A read of a terminal or pipe cannot be ended: after Ctrl-C it is left to end
		// with the process.
		go func() { said <- say(ctx, v, in, talk.Options{Name: name, Raw: raw, Video: o.video}, &sum) }()
		select {
		case err = <-said:
		case <-v.Done():
			err = v.Err()
		case <-ctx.Done(): // the end that was asked for
			select {
			case <-said:
			case <-time.After(talkGrace):
			}
			return v.Close()
		}
		if ctx.Err() != nil {
			err = nil
		}
		if e := v.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
		return printTalk(cmd.ErrOrStderr(), sum, o.json)
	})
}

// talkGrace is how long the unit that is being said may take when the end is asked for.
const talkGrace = 300 * time.Millisecond

func say(ctx context.Context, v *session.Voice, in io.Reader, o talk.Options, sum *talkSummary) error {
	src, err := talk.Open(in, talk.Format(v.Format()), o)
	if err != nil {
		return badArgument(err)
	}
	var last time.Duration
	err = talk.Say(ctx, src, func(u *demux.Unit) error {
		sum.Bytes += len(u.Data)
		last = max(last, u.DTS)
		return v.WriteUnit(u)
	})
	sum.Seconds = last.Seconds()
	var format *talk.FormatError
	if errors.As(err, &format) {
		return badArgument(err)
	}
	return err
}

func printTalk(w io.Writer, s talkSummary, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(s)
	}
	_, err := fmt.Fprintf(w, "said %.1f s, %d bytes (%s, %s path)\n", s.Seconds, s.Bytes, s.Format, s.Path)
	return err
}
