// SPDX-License-Identifier: LGPL-2.1-or-later

import Hls, { type Fragment } from "hls.js/light";
import * as api from "./api";

/** How much is in one playlist: enough that most seeks stay in it, little enough to be read at once. */
const stretch = 2 * 3600e3;

/** Behind this age a playlist has an end; younger ones grow while the camera is recorded. */
const settled = 30e3;

/** How much is listed at once, and how far in all, when the next recording is looked for. */
const month = 31 * 86400e3;
const lookAhead = 24 * month;

/** Playback plays a camera's recordings from any instant on, across gaps. */
export class Playback {
  private hls: Hls | null = null;
  private from = 0;
  private wanted = 0; // the instant asked for last
  private placed = false; // it has been reached
  private retries = 0;

  constructor(
    readonly video: HTMLVideoElement,
    readonly name: string,
    private say: (text: string) => void,
  ) {
    video.addEventListener("ended", this.onEnded);
    video.addEventListener("playing", this.onPlaying);
  }

  private onPlaying = () => {
    this.placed = true;
    this.retries = 0;
    this.say("");
  };

  private onEnded = () => {
    if (!this.hls) return;
    const last = this.fragments().at(-1);
    if (last?.programDateTime != null) void this.seek(last.programDateTime + last.duration * 1000 + 1);
  };

  private fragments(): Fragment[] {
    return this.hls?.levels[this.hls.currentLevel]?.details?.fragments ?? this.hls?.levels[0]?.details?.fragments ?? [];
  }

  /** now is the instant whose picture is shown. */
  now(): number {
    if (!this.placed) return this.wanted;
    const t = this.video.currentTime;
    const f = this.fragments();
    for (let i = f.length - 1; i >= 0; i--) {
      const date = f[i].programDateTime;
      if (f[i].start <= t + 0.01 && date != null) return date + (t - f[i].start) * 1000;
    }
    // Safari says when the playlist that it plays by itself begins; gaps in it are not in that.
    const start = (this.video as { getStartDate?: () => Date }).getStartDate?.().getTime();
    return start ? start + t * 1000 : this.wanted;
  }

  /** seek goes to an instant; where nothing was recorded then, to what comes next. */
  async seek(at: number): Promise<void> {
    this.wanted = at;
    for (const f of this.fragments()) {
      const date = f.programDateTime;
      if (date != null && date <= at && at < date + f.duration * 1000) {
        this.video.currentTime = f.start + (at - date) / 1000;
        void this.video.play().catch(() => undefined);
        return;
      }
    }
    this.placed = false;
    this.load(at);
  }

  private load(at: number) {
    this.hls?.destroy();
    this.from = at;
    if (!Hls.isSupported()) {
      this.playNatively(at);
      return;
    }
    const hls = new Hls({
      enableWorker: false,
      maxBufferLength: 20,
      backBufferLength: 30,
      startFragPrefetch: true,
      nudgeMaxRetry: 8,
      maxBufferHole: 0.5,
      fragLoadPolicy: {
        default: { maxTimeToFirstByteMs: 10000, maxLoadTimeMs: 60000, timeoutRetry: { maxNumRetry: 2, retryDelayMs: 0, maxRetryDelayMs: 0 }, errorRetry: { maxNumRetry: 2, retryDelayMs: 500, maxRetryDelayMs: 2000 } },
      },
    });
    this.hls = hls;
    hls.on(Hls.Events.ERROR, (_, data) => {
      if (!data.fatal || this.hls !== hls) return;
      if (data.response?.code === 404 && data.details === Hls.ErrorDetails.MANIFEST_LOAD_ERROR) {
        void this.skip();
      } else if (data.type === Hls.ErrorTypes.MEDIA_ERROR && this.retries++ < 3) {
        hls.recoverMediaError();
      } else if (this.retries++ < 3) {
        this.load(this.now()); // the file went away, or the network did for a moment
      } else {
        this.say(data.type === Hls.ErrorTypes.MEDIA_ERROR ? "this browser cannot decode these recordings" : "the recordings cannot be loaded");
      }
    });
    hls.on(Hls.Events.MANIFEST_PARSED, () => void this.video.play().catch(() => undefined));
    hls.loadSource(this.url(at));
    hls.attachMedia(this.video);
  }

  private url(at: number): string {
    const to = at + stretch;
    return api.playlist(this.name, at, to < Date.now() - settled ? to : undefined);
  }

  // Safari on a phone plays HLS by itself and has no Media Source Extensions.
  private playNatively(at: number) {
    this.video.src = this.url(at);
    this.placed = true;
    void this.video.play().catch(() => undefined);
  }

  /** skip goes on behind a stretch in which nothing was recorded. */
  private async skip() {
    const from = this.from;
    const next = await this.next(from).catch(() => undefined);
    if (this.from !== from) return;
    if (next && next.from > from) {
      this.wanted = next.from;
      this.load(next.from);
    } else {
      this.hls?.destroy();
      this.hls = null;
      this.video.removeAttribute("src");
      this.video.load();
      this.say(from + lookAhead < Date.now() ? "nothing was recorded in the two years from here on" : "nothing is recorded from here on");
    }
  }

  /** next is the first stretch of recordings that ends behind an instant, within two years of it. */
  private async next(at: number): Promise<api.Span | undefined> {
    for (let from = at; from < Date.now() && from < at + lookAhead; from += month) {
      const r = await api.recordings(this.name, from, from + month);
      const s = r.spans.find((s) => s.to > at + 1000);
      if (s) return s;
    }
    return undefined;
  }

  close() {
    this.video.removeEventListener("ended", this.onEnded);
    this.video.removeEventListener("playing", this.onPlaying);
    this.hls?.destroy();
    this.hls = null;
    this.video.removeAttribute("src");
    this.video.load();
  }
}
