#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plays a camera's recordings from a time of day on, and says what is shown.

    playback.py PRODUCT/DEVICE START END SEEK

START, END and SEEK are Unix seconds. The account is in the environment:
XP2P_RENDEZVOUS, XP2P_APP, XP2P_INFO. GST_PLUGIN_PATH names the directory of
libgstxp2p.so. Pictures go to a fakesink: put autovideosink in its place.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

PIPELINE = (
    "xp2psrc name=camera location=xp2p://{name}?action=playback&start_time={start}&end_time={end} "
    "! xp2pdemux ! decodebin ! videoconvert ! fakesink name=screen sync=true"
)


def main(name, start, end, seek):
    Gst.init(None)
    pipeline = Gst.parse_launch(PIPELINE.format(name=name, start=start, end=end))
    loop = GLib.MainLoop()
    failed = False

    def on_message(_bus, message):
        nonlocal failed
        if message.type == Gst.MessageType.EOS:
            loop.quit()
        elif message.type == Gst.MessageType.ERROR:
            error, _debug = message.parse_error()
            print(error.message, file=sys.stderr)
            failed = True
            loop.quit()
        elif message.type == Gst.MessageType.ELEMENT:
            event = message.get_structure()
            if event.get_name() == "xp2p-event" and event.get_string("subtype") == "position":
                print("position", event.to_string(), flush=True)

    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message", on_message)

    # A playback is not live: it prerolls, and can be sought before it plays.
    pipeline.set_state(Gst.State.PAUSED)
    state, _, _ = pipeline.get_state(60 * Gst.SECOND)
    if state == Gst.StateChangeReturn.SUCCESS:
        _, duration = pipeline.query_duration(Gst.Format.TIME)
        print("duration", duration // Gst.SECOND, flush=True)
        # Nanoseconds since START would do as well.
        pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH | Gst.SeekFlags.ACCURATE, seek * Gst.SECOND)
        pipeline.get_state(60 * Gst.SECOND)
        _, position = pipeline.query_position(Gst.Format.TIME)
        print("sought", start + position // Gst.SECOND, flush=True)
        pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    pipeline.set_state(Gst.State.NULL)
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
