"""Serves the launch line of its argument as rtsp://127.0.0.1:PORT/ and prints PORT.

It is GStreamer's own RTSP server, which has no code in common with ours:
    apt-get install -y python3-gi gir1.2-gst-rtsp-server-1.0
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch("( " + sys.argv[1] + " )")
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service("0")
server.get_mount_points().add_factory("/", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
