// SPDX-License-Identifier: LGPL-2.1-or-later

// Record-go records a camera into an MP4 file for some seconds, with the elements
// built in: it needs no libgstxp2p.so.
//
//	record-go PRODUCT/DEVICE SECONDS FILE
//
// The account is in the environment: XP2P_RENDEZVOUS, XP2P_APP, XP2P_INFO.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/xp2p/xp2p/gstsrc"
	"github.com/xp2p/xp2p/gstsrc/demuxer"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: record-go PRODUCT/DEVICE SECONDS FILE")
	}
	seconds, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("seconds: %w", err)
	}
	gst.Init(nil)
	if !gstsrc.Register(nil) || !demuxer.Register(nil) {
		return errors.New("the elements cannot be registered")
	}
	p, err := gst.NewPipelineFromString(fmt.Sprintf(
		"xp2psrc location=xp2p://%s ! xp2pdemux ! h264parse ! mp4mux ! filesink location=%s", args[0], args[2]))
	if err != nil {
		return err
	}
	defer p.SetState(gst.StateNull)
	if err := p.SetState(gst.StatePlaying); err != nil {
		return err
	}

	bus := p.GetPipelineBus()
	if m := bus.TimedPopFiltered(gst.ClockTime(time.Duration(seconds)*time.Second), gst.MessageError); m != nil {
		return m.ParseError()
	}
	p.SendEvent(gst.NewEOSEvent()) // so that the file is finished
	m := bus.TimedPopFiltered(gst.ClockTime(10*time.Second), gst.MessageError|gst.MessageEOS)
	switch {
	case m == nil:
		return errors.New("the file was not finished in time")
	case m.Type() == gst.MessageError:
		return m.ParseError()
	}
	return nil
}
