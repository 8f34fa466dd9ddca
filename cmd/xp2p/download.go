// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/session"
)

type downloadOptions struct {
	file, out string
	offset    int64
	channel   int
	resume    bool
	params    string
	json      bool
}

func newDownloadCommand() *cobra.Command {
	var o downloadOptions
	cmd := &cobra.Command{
		Use:   "download --xp2p-info INFO --file NAME -o FILE",
		Short: "Fetch a file from a camera",
		Long: `Fetch a file from a camera, as its command get_file_list names it. What broke off is
fetched on from where it ended while the camera can be reached again within --timeout;
--continue does the same in a later call.`,
		Example: `  xp2p command  --xp2p-info cam/xp2p-info 'action=inner_define&cmd=get_file_list&channel=0&start_time=1700000000&end_time=1700086400'
  xp2p download --xp2p-info cam/xp2p-info --file 20231115-1200.mp4 -o clip.mp4
  xp2p download --xp2p-info cam/xp2p-info --file 20231115-1200.mp4 -o clip.mp4 --continue`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDownload(cmd, o) },
	}
	addViewerFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.file, "file", "", "`NAME` of the file on the camera (required)")
	f.StringVarP(&o.out, "output", "o", "", "`FILE` to write, - for standard output (required)")
	f.Int64Var(&o.offset, "offset", 0, "begin `N` bytes into the file; the output holds what follows")
	f.BoolVar(&o.resume, "continue", false, "go on where the output ends")
	f.IntVar(&o.channel, "channel", 0, "channel of the camera, for an NVR")
	f.StringVar(&o.params, "params", "", "further `QUERY` parameters (requester=…&user_args=…)")
	f.BoolVar(&o.json, "json", false, "print progress as lines of JSON on standard error")
	cmd.MarkFlagRequired("file")
	cmd.MarkFlagRequired("output")
	return cmd
}

func (o downloadOptions) validate() error {
	switch {
	case o.resume && o.out == "-":
		return errors.New("--continue needs a file to go on with: standard output has none")
	case o.resume && o.offset != 0:
		return errors.New("--continue takes the offset from the output: leave --offset out")
	case o.offset < 0:
		return errors.New("--offset cannot be negative")
	}
	return nil
}

// openDownload opens the output and says from where in the camera's file it goes on.
func openDownload(cmd *cobra.Command, o downloadOptions) (w io.Writer, offset int64, closeOut func() error, err error) {
	if o.out == "-" {
		return cmd.OutOrStdout(), o.offset, func() error { return nil }, nil
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if o.resume {
		flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	f, err := os.OpenFile(o.out, flags, 0o644)
	if err != nil {
		return nil, 0, nil, badArgument(err)
	}
	offset = o.offset
	if o.resume {
		st, err := f.Stat()
		if err != nil {
			return nil, 0, nil, errors.Join(err, f.Close())
		}
		offset = st.Size()
	}
	return f, offset, func() error { return errors.Join(f.Sync(), f.Close()) }, nil
}

func runDownload(cmd *cobra.Command, o downloadOptions) error {
	if err := o.validate(); err != nil {
		return badArgument(err)
	}
	return visit(cmd, nil, func(ctx context.Context, s *session.Service) (err error) {
		req := session.DownloadRequest{Channel: o.channel, FileName: o.file, Offset: o.offset, Params: o.params}
		if o.resume { // the camera is asked before the output is touched, and from where it ends
			if st, err := os.Stat(o.out); err == nil {
				req.Offset = st.Size()
			}
		}
		d, err := s.StartDownload(ctx, req)
		if err != nil {
			return err
		}
		defer func() { d.Close() }()
		w, at, closeOut, err := openDownload(cmd, o)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeOut()) }()
		if at != req.Offset {
			return fmt.Errorf("%s has changed meanwhile", o.out)
		}
		p := newProgress(cmd.ErrOrStderr(), o.json, isTerminal(cmd.ErrOrStderr()), o.file, at, d.Size())
		defer func() { p.end(err) }()
		stop := context.AfterFunc(ctx, func() { s.StopDownloads() })
		defer stop()
		for {
			from := d.Offset()
			_, err := io.Copy(p.writer(w), d)
			if err == nil || ctx.Err() != nil {
				return interrupted(ctx, err, d, o)
			}
			var failed *session.Error
			if !errors.As(err, &failed) || d.Offset() == from {
				return err // the output's own error, or a camera that gives nothing
			}
			req.Offset = d.Offset()
			d.Close()
			next, e := s.StartDownload(ctx, req)
			if e != nil {
				return errors.Join(err, e)
			}
			d = next
		}
	})
}

// interrupted says what Ctrl-C left.
func interrupted(ctx context.Context, err error, d *session.Download, o downloadOptions) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	hint := ""
	if o.out != "-" && o.offset == 0 {
		hint = "; --continue fetches the rest"
	}
	return fmt.Errorf("ended at %d of %d bytes%s", d.Offset(), d.Size(), hint)
}
