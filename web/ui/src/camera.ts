// SPDX-License-Identifier: LGPL-2.1-or-later

import * as api from "./api";
import { Calendar } from "./calendar";
import { clock, dayOf, h, moment, rate, setText, span } from "./dom";
import { ExportPanel } from "./exports";
import { hearable, Live } from "./live";
import { LockPanel } from "./locks";
import type { View } from "./main";
import { Playback } from "./playback";
import { Timeline } from "./timeline";

const hour = 3600e3;
const speeds = [0.5, 1, 2, 4, 8];

/** CameraView is one camera: live, or played back. */
export class CameraView implements View {
  readonly root = h("div", { class: "camera" });
  readonly title: string;
  private video = h("video", { playsinline: true, tabindex: -1 });
  private note = h("p", { class: "note", role: "status" });
  private state = h("span", { class: "badge" });
  private detail = h("span", { class: "detail" });
  private time = h("output", { class: "time", "aria-label": "Time of the picture" });
  private liveButton: HTMLButtonElement;
  private playButton: HTMLButtonElement;
  private soundButton: HTMLButtonElement;
  private speed: HTMLSelectElement;
  private timeline: Timeline;
  private calendar: Calendar;
  private exports: ExportPanel;
  private locks: LockPanel;
  private live: Live | null = null;
  private playback: Playback | null = null;
  private camera: api.Camera | null = null;
  private timer: number;
  private tick = 0;
  private said = "";
  private onKey = (e: KeyboardEvent) => this.key(e);

  constructor(
    readonly name: string,
    at: number | null,
    thumbnails: boolean,
  ) {
    this.title = name;
    this.liveButton = h("button", { type: "button", class: "live", title: "Key L", onclick: () => this.goLive() }, "Live");
    this.playButton = h("button", { type: "button", class: "play", title: "Space", onclick: () => this.toggle() }, "Pause");
    this.soundButton = h("button", { type: "button", title: "Key M", "aria-pressed": "false", onclick: () => this.sound() }, "Sound");
    this.speed = h(
      "select",
      { "aria-label": "Speed", onchange: () => this.setSpeed() },
      ...speeds.map((s) => h("option", { value: s, selected: s === 1 }, `${s}×`)),
    );
    this.timeline = new Timeline(name, thumbnails, { seek: (t) => this.seek(t) });
    this.calendar = new Calendar(name, (m) => {
      this.timeline.view(m, m + 24 * hour);
      this.seek(m);
    });
    this.exports = new ExportPanel(name, this.timeline, () => this.now(), () => this.locks.marked());
    this.locks = new LockPanel(name, this.timeline, (t) => this.seek(t));
    const back = (s: number) => this.seek(Math.min(this.now() + s * 1000, Date.now()));
    const zoom = (label: string, text: string, f: () => void) => h("button", { type: "button", "aria-label": label, onclick: f }, text);
    this.root.append(
      h("div", { class: "head" }, h("a", { href: "#/", class: "back" }, "‹ Cameras"), h("h1", {}, name), this.state, this.detail),
      h("div", { class: "frame" }, this.video, this.note),
      h(
        "div",
        { class: "controls" },
        this.liveButton,
        this.playButton,
        h("button", { type: "button", title: "Key J", "aria-label": "Back 10 seconds", onclick: () => back(-10) }, "−10 s"),
        h("button", { type: "button", title: "Key K", "aria-label": "Forward 10 seconds", onclick: () => back(10) }, "+10 s"),
        this.speed,
        this.soundButton,
        this.time,
        h("span", { class: "gap" }),
        this.calendar.root,
        zoom("Earlier", "◂", () => this.timeline.pan(-0.5)),
        zoom("Later", "▸", () => this.timeline.pan(0.5)),
        zoom("Zoom out", "−", () => this.timeline.zoom(2)),
        zoom("Zoom in", "+", () => this.timeline.zoom(0.5)),
      ),
      this.timeline.root,
      h("ul", { class: "legend", "aria-hidden": "true" }, h("li", { class: "rec" }, "recorded"), h("li", { class: "miss" }, "missing, with its cause"), h("li", { class: "off" }, "not wanted, or the recorder was off"), h("li", { class: "event" }, "event"), h("li", { class: "lock" }, "kept"), h("li", { class: "now" }, "now")),
      this.exports.root,
      this.locks.root,
    );
    this.video.addEventListener("pause", () => this.showPlaying());
    this.video.addEventListener("play", () => this.showPlaying());
    this.video.addEventListener("click", () => this.toggle());
    const centre = at ?? Date.now();
    this.timeline.view(at === null ? centre - 3.5 * hour : centre - 2 * hour, at === null ? centre + 0.5 * hour : centre + 2 * hour);
    this.calendar.set(centre);
    if (at !== null) this.seek(at);
    this.everySoOften();
    this.timer = window.setInterval(() => this.everySoOften(), 250);
    document.addEventListener("keydown", this.onKey);
  }

  update(list: api.Camera[]) {
    const c = list.find((x) => x.name === this.name);
    if (!c) {
      this.say("There is no such camera in the recorder's configuration.");
      return;
    }
    const first = !this.camera;
    const back = this.camera?.state !== "live" && c.state === "live";
    this.camera = c;
    this.root.dataset.state = c.state;
    setText(this.state, api.stateNames[c.state]);
    const since = api.awaySince(c);
    setText(this.detail, c.state === "live" ? `${c.tracks ? `${c.tracks}, ` : ""}${rate(c.bitrate)}${c.path ? `, ${c.path}` : ""}${api.fromViewers(c)}${api.reasons[c.recording] ? `, ${api.reasons[c.recording]}` : ""}` : `since ${moment(since)} (${span(Date.now() - since)})`);
    this.exports.setTracks(c.tracks);
    if (first && !this.playback) this.goLive();
    else if (back) this.live?.now();
    this.explain();
  }

  private say(text: string) {
    this.said = text;
    this.explain();
  }

  // What is wrong with the camera is of interest while it is watched live.
  private explain() {
    const c = this.camera;
    let text = this.said;
    if (this.live && c && c.state !== "live") text = `${api.why(c)}${c.retry ? `; tried again at ${clock(Date.parse(c.retry))}` : ""}`;
    if (c?.recorded.error) text = `${text ? `${text}. ` : ""}Not recorded: ${c.recorded.error}`;
    setText(this.note, text);
  }

  private now(): number {
    return this.playback ? this.playback.now() : Date.now();
  }

  goLive() {
    this.playback?.close();
    this.playback = null;
    this.live?.close();
    this.said = "";
    const sound = hearable(this.camera?.tracks);
    this.live = new Live(this.video, this.name, sound, (t) => this.say(t));
    this.video.muted = this.soundButton.getAttribute("aria-pressed") !== "true";
    this.video.playbackRate = 1;
    this.timeline.show(Date.now());
    this.showMode();
  }

  seek(at: number) {
    if (at > Date.now() - 2000) {
      this.goLive();
      return;
    }
    this.live?.close();
    this.live = null;
    this.said = "";
    this.playback ??= new Playback(this.video, this.name, (t) => this.say(t));
    const gap = this.timeline.gapAt(at);
    if (gap) this.say(`Nothing was recorded at ${moment(at)}: ${api.causes[gap.cause] ?? gap.cause}.`);
    void this.playback.seek(at).then(() => this.setSpeed());
    this.timeline.setHead(at);
    this.showMode();
  }

  private toggle() {
    if (this.video.paused) void this.video.play().catch(() => undefined);
    else this.video.pause();
  }

  private sound() {
    this.video.muted = !this.video.muted;
    this.soundButton.setAttribute("aria-pressed", String(!this.video.muted));
  }

  private setSpeed() {
    const v = Number(this.speed.value);
    this.video.defaultPlaybackRate = this.playback ? v : 1;
    this.video.playbackRate = this.playback ? v : 1;
  }

  private showMode() {
    this.root.dataset.mode = this.live ? "live" : "playback";
    this.liveButton.setAttribute("aria-pressed", String(!!this.live));
    this.speed.disabled = !!this.live;
    this.explain();
  }

  private showPlaying() {
    setText(this.playButton, this.video.paused ? "Play" : "Pause");
  }

  private everySoOften() {
    const at = this.now();
    setText(this.time, `${dayOf(at)} ${clock(at)}`);
    this.calendar.set(at);
    if (!this.video.seeking) this.timeline.setHead(at);
    if (++this.tick % 20 === 0) this.timeline.tick();
  }

  private key(e: KeyboardEvent) {
    const on = e.target as HTMLElement;
    if (e.ctrlKey || e.altKey || e.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(on.tagName)) return;
    const keys: Record<string, () => void> = {
      " ": () => this.toggle(),
      l: () => this.goLive(),
      m: () => this.sound(),
      j: () => this.seek(this.now() - 10e3),
      k: () => this.seek(this.now() + 10e3),
      i: () => this.exports.markIn(),
      o: () => this.exports.markOut(),
    };
    const f = keys[e.key.toLowerCase()];
    if (!f || (e.key === " " && on.tagName === "BUTTON")) return;
    e.preventDefault();
    f();
  }

  close() {
    window.clearInterval(this.timer);
    document.removeEventListener("keydown", this.onKey);
    this.live?.close();
    this.playback?.close();
    this.timeline.close();
    this.exports.close();
    this.locks.close();
  }
}

