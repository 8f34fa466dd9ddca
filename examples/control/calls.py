#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Call a recorder and wait for something to happen, with nothing but the standard library.

    calls.py SOCKET CAMERA

Records the camera for two seconds around now and says when that begins and ends.
"""

import itertools
import json
import socket
import sys


class Recorder:
    """A connection to the control socket: JSON-RPC 2.0, a JSON text per line."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.ids = itertools.count(1)
        self.waiting = []  # events that came while an answer was awaited

    def call(self, method, **params):
        id = next(self.ids)
        request = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        for line in self.lines:
            message = json.loads(line)
            if message.get("method") == "event":
                self.waiting.append(message["params"])
            elif message.get("id") == id:
                if "error" in message:
                    e = message["error"]
                    raise RuntimeError(f"{e['message']} (code {e.get('data', {}).get('code')})")
                return message["result"]
        raise ConnectionError("the recorder ended the connection")

    def events(self):
        """Every event from events.subscribe on."""
        while True:
            while self.waiting:
                yield self.waiting.pop(0)
            line = self.lines.readline()
            if not line:
                return
            message = json.loads(line)
            if message.get("method") == "event":
                yield message["params"]


def main():
    path, camera = sys.argv[1:]
    recorder = Recorder(path)
    recorder.call("events.subscribe")
    status = recorder.call("record.start", camera=camera, **{"for": 2})
    print(camera, "is recorded for:", status["recording"])
    for event in recorder.events():
        if event["type"] == "record.state" and event.get("camera") == camera and not event["detail"]["recording"]:
            break
    files = recorder.call("record.list", camera=camera)["segments"]
    print(files[-1]["path"], f"{files[-1]['duration']:.1f} s")


if __name__ == "__main__":
    main()
