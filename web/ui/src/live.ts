// SPDX-License-Identifier: LGPL-2.1-or-later

import mpegts from "mpegts.js";
import * as api from "./api";
import { SocketLoader } from "./socket";

mpegts.LoggingControl.enableAll = false;

/** After an end a live picture is asked for again after so long, then twice as long, at most. */
const retryFirst = 1000;
const retryMost = 15000;

/**
 * Live shows a camera's stream in a video element, and asks for it again when it ends.
 * The sound of a stream is wanted only where the page knows that it has some that
 * browsers play: a player that waits for sound that never comes shows no picture.
 */
export class Live {
  private player: mpegts.Player | null = null;
  private timer = 0;
  private wait = retryFirst;
  private closed = false;

  constructor(
    readonly video: HTMLVideoElement,
    readonly name: string,
    private sound: boolean,
    private say: (text: string) => void,
  ) {
    video.muted = true;
    this.begin();
  }

  private begin() {
    this.end();
    if (!mpegts.isSupported()) {
      this.say("this browser cannot play live streams (no Media Source Extensions)");
      return;
    }
    const p = mpegts.createPlayer(
      { type: "flv", isLive: true, url: api.liveSocket(this.name, this.sound), hasAudio: this.sound, hasVideo: true },
      {
        customLoader: SocketLoader,
        enableStashBuffer: false,
        lazyLoad: false,
        autoCleanupSourceBuffer: true,
        autoCleanupMaxBackwardDuration: 20,
        autoCleanupMinBackwardDuration: 10,
        liveBufferLatencyChasing: true,
        liveBufferLatencyMaxLatency: 2.5,
        liveBufferLatencyMinRemain: 0.6,
      },
    );
    this.player = p;
    // A player must not be destroyed while it calls.
    const later = (f: () => void) => window.setTimeout(() => this.player === p && f());
    p.on(mpegts.Events.ERROR, (kind: string, detail: string) => later(() => this.onError(kind, detail)));
    p.on(mpegts.Events.LOADING_COMPLETE, () => later(() => this.again()));
    p.on(mpegts.Events.MEDIA_INFO, () => {
      this.wait = retryFirst;
      this.say("");
    });
    p.attachMediaElement(this.video);
    p.load();
    Promise.resolve(p.play()).catch(() => undefined); // ended before it began: ERROR says so
  }

  private onError(kind: string, detail: string) {
    const codec = detail === mpegts.ErrorDetails.MEDIA_CODEC_UNSUPPORTED;
    if (codec && this.sound) {
      this.sound = false;
      this.again(0);
      return;
    }
    const media = kind === mpegts.ErrorTypes.MEDIA_ERROR;
    this.say(media ? "this browser cannot decode the camera's pictures" : "");
    if (media) this.wait = retryMost; // it hardly learns to
    this.again();
  }

  private again(after = this.wait) {
    if (this.closed) return;
    this.end();
    this.wait = Math.min(this.wait * 2, retryMost);
    this.timer = window.setTimeout(() => this.begin(), after);
  }

  private end() {
    window.clearTimeout(this.timer);
    const p = this.player;
    this.player = null;
    if (p) {
      p.destroy();
    }
  }

  /** now asks again at once: the camera is said to be back. */
  now() {
    if (!this.player && !this.closed) {
      this.wait = retryFirst;
      this.begin();
    }
  }

  close() {
    this.closed = true;
    this.end();
    this.video.removeAttribute("src");
    this.video.load();
  }
}

/** hearable says whether a camera sends sound that browsers play from FLV, or that they get as FLAC. */
export function hearable(tracks?: string): boolean {
  return /\b(aac|mp3|opus|alaw|mulaw) /.test(tracks ?? "");
}
