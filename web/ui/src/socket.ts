// SPDX-License-Identifier: LGPL-2.1-or-later

import mpegts from "mpegts.js";

/**
 * SocketLoader gives mpegts.js a stream by WebSocket. Its own loader throws where nobody
 * can catch it when it is left before it has connected.
 */
export class SocketLoader extends mpegts.BaseLoader {
  private socket: WebSocket | null = null;
  private received = 0;

  constructor() {
    super("socket");
    this._needStash = true;
  }

  open(source: mpegts.MediaSegment) {
    const s = new WebSocket(source.url);
    this.socket = s;
    s.binaryType = "arraybuffer";
    this._status = mpegts.LoaderStatus.kConnecting;
    s.onmessage = (m: MessageEvent<ArrayBuffer>) => {
      if (this.socket !== s) return;
      this._status = mpegts.LoaderStatus.kBuffering;
      const start = this.received;
      this.received += m.data.byteLength;
      this.onDataArrival(m.data, start, this.received);
    };
    s.onclose = () => {
      if (this.socket !== s) return; // left by us
      this.socket = null;
      this._status = mpegts.LoaderStatus.kComplete;
      if (this.received > 0) this.onComplete(0, this.received - 1);
      else this.onError(mpegts.LoaderErrors.EXCEPTION as never, { code: 0, msg: "refused" });
    };
  }

  abort() {
    const s = this.socket;
    this.socket = null;
    s?.close();
    this._status = mpegts.LoaderStatus.kComplete;
  }

  destroy() {
    this.abort();
    super.destroy();
  }
}
