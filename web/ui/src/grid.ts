// SPDX-License-Identifier: LGPL-2.1-or-later

import * as api from "./api";
import { h, moment, rate, setText, span } from "./dom";
import { Live } from "./live";
import type { View } from "./main";

/** How many pictures are live at once, those in view first: each is a decoder. */
const mostLive = 16;

/** Tile is one camera of the grid. */
class Tile {
  readonly root: HTMLAnchorElement;
  private video = h("video", { muted: true, playsinline: true, "aria-hidden": "true", tabindex: -1 });
  private badge = h("span", { class: "badge" });
  private detail = h("span", { class: "detail" });
  private note = h("p", { class: "note" });
  private live: Live | null = null;
  private state = "";
  visible = false;
  camera: api.Camera;

  constructor(
    c: api.Camera,
    private changed: () => void,
  ) {
    this.camera = c;
    this.root = h(
      "a",
      { class: "tile", href: `#/camera/${encodeURIComponent(c.name)}` },
      h("div", { class: "frame" }, this.video, this.note),
      h("div", { class: "caption" }, h("strong", {}, c.name), this.badge, this.detail),
    );
    this.root.dataset.camera = c.name;
    this.update(c);
  }

  update(c: api.Camera) {
    const back = this.camera.state !== "live" && c.state === "live";
    this.camera = c;
    this.root.dataset.state = c.state;
    setText(this.badge, api.stateNames[c.state]);
    const away = c.state !== "live";
    const reason = api.reasons[c.recording] ? `, ${api.reasons[c.recording]}` : "";
    setText(this.detail, away ? `since ${moment(api.awaySince(c))}, ${span(Date.now() - api.awaySince(c))}` : `${rate(c.bitrate)}${c.path === "relay" ? ", by relay" : ""}${api.fromViewers(c)}${reason}`);
    setText(this.note, c.recorded.error ? `Not recorded: ${c.recorded.error}` : away ? api.why(c) : "");
    if (back) this.live?.now();
    if (this.state !== c.state) {
      this.state = c.state;
      this.changed();
    }
  }

  play(on: boolean) {
    if (on && !this.live) this.live = new Live(this.video, this.camera.name, false, (text) => this.camera.state === "live" && setText(this.note, text));
    if (!on && this.live) {
      this.live.close();
      this.live = null;
    }
  }
}

/** Grid shows all cameras. */
export class Grid implements View {
  readonly root = h("div", { class: "grid" });
  readonly title = "Cameras";
  private tiles = new Map<string, Tile>();
  private seen = new IntersectionObserver((entries) => {
    for (const e of entries) {
      const t = this.tiles.get((e.target as HTMLElement).dataset.camera!);
      if (t) t.visible = e.isIntersecting;
    }
    this.choose();
  }, { rootMargin: "100px" });
  private onVisibility = () => this.choose();

  constructor() {
    document.addEventListener("visibilitychange", this.onVisibility);
  }

  update(list: api.Camera[]) {
    for (const [name, t] of this.tiles) {
      if (!list.some((c) => c.name === name)) {
        t.play(false);
        t.root.remove();
        this.tiles.delete(name);
      }
    }
    for (const c of list) {
      const t = this.tiles.get(c.name);
      if (t) {
        t.update(c);
        continue;
      }
      const tile = new Tile(c, () => this.choose());
      this.tiles.set(c.name, tile);
      this.root.append(tile.root);
      this.seen.observe(tile.root);
    }
    this.root.querySelector(".empty")?.remove();
    if (list.length === 0) {
      this.root.append(
        h("div", { class: "empty" }, h("h2", {}, "No cameras yet"), h("p", {}, "Add one to ", h("code", {}, "cameras"), " in the recorder's configuration; docs/guide/nvr.md says how.")),
      );
    }
  }

  /** choose lets the pictures in view live, of cameras that are there, and none while the page is not looked at. */
  private choose() {
    let left = document.hidden ? 0 : mostLive;
    for (const t of this.tiles.values()) t.play(t.visible && t.camera.state === "live" && left-- > 0);
  }

  close() {
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.seen.disconnect();
    for (const t of this.tiles.values()) t.play(false);
  }
}
