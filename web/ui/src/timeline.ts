// SPDX-License-Identifier: LGPL-2.1-or-later

import * as api from "./api";
import { clock, dayOf, h, moment, setText, span } from "./dom";

const minute = 60e3;
const day = 24 * 60 * minute;
const leastView = 2 * minute;
const mostView = 7 * day;

/** Distances between the marks of the axis, of which the first that leaves room for labels is taken. */
const steps = [10e3, 30e3, minute, 2 * minute, 5 * minute, 10 * minute, 30 * minute, 60 * minute, 2 * 60 * minute, 3 * 60 * minute, 6 * 60 * minute, 12 * 60 * minute, day];

const axisHeight = 22;
const barHeight = 40;

const colours = {
  axis: "#8b98a9",
  grid: "#2b3542",
  none: "#141a21",
  span: "#2f6fb5",
  gap: "#7a2e2e",
  stripe: "#b4524a",
  mark: "rgba(255, 209, 102, 0.35)",
  markEdge: "#ffd166",
  head: "#ffffff",
  now: "#3fb950",
  event: "#ffd166",
  lock: "#c9a6ff",
};

export interface TimelineHooks {
  seek(at: number): void;
}

/**
 * Timeline shows when a camera was recorded and why not, and is where playing is
 * steered: press or drag to seek, turn the wheel or pinch to zoom, drag the axis to
 * move, or use the keys.
 */
export class Timeline {
  readonly root: HTMLElement;
  private canvas = h("canvas", { height: axisHeight + barHeight });
  private tip = h("div", { class: "tip", hidden: true });
  private tipText = h("span");
  private tipPicture: HTMLImageElement | null = null;
  private from = 0;
  private to = 0;
  private data: api.Recordings = { spans: [], gaps: [], events: [], locks: [] };
  private loaded = { from: 0, to: 0, at: 0 };
  private loading: AbortController | null = null;
  private loadTimer = 0;
  private pictureTimer = 0;
  private pictureWanted = false;
  private drawn = 0;
  private pointers = new Map<number, { x: number; y: number }>();
  private drag: "" | "seek" | "move" | "pinch" = "";
  private resize = new ResizeObserver(() => this.draw());
  private failure = "";
  head = 0;
  markFrom: number | null = null;
  markTo: number | null = null;

  constructor(
    readonly name: string,
    thumbnails: boolean,
    private hooks: TimelineHooks,
  ) {
    if (thumbnails) {
      this.tipPicture = h("img", { alt: "", width: 240, height: 135, hidden: true });
      this.tipPicture.onload = () => (this.tipPicture!.hidden = !this.pictureWanted);
      this.tipPicture.onerror = () => (this.tipPicture!.hidden = true);
      this.tip.append(this.tipPicture);
    }
    this.tip.append(this.tipText);
    this.root = h(
      "div",
      {
        class: "timeline",
        tabindex: 0,
        role: "slider",
        "aria-label": "Recordings. Arrow keys move by 10 seconds, with Shift by a minute, Page Up and Page Down by 10 minutes; plus and minus zoom.",
        onkeydown: (e: KeyboardEvent) => this.onKey(e),
      },
      this.canvas,
      this.tip,
    );
    const c = this.canvas;
    c.addEventListener("pointerdown", (e) => this.onDown(e));
    c.addEventListener("pointermove", (e) => this.onMove(e));
    c.addEventListener("pointerup", (e) => this.onUp(e));
    c.addEventListener("pointercancel", (e) => this.onUp(e));
    c.addEventListener("pointerleave", () => this.hideTip());
    c.addEventListener("wheel", (e) => this.onWheel(e), { passive: false });
    this.resize.observe(this.root);
  }

  /** view shows a stretch. */
  view(from: number, to: number) {
    const length = Math.min(Math.max(to - from, leastView), mostView);
    const middle = (from + to) / 2;
    this.from = middle - length / 2;
    this.to = middle + length / 2;
    this.tell();
    this.draw();
    this.want();
  }

  /** zoom by a factor around an instant, which keeps its place. */
  zoom(factor: number, around = this.inView(this.head) ? this.head : (this.from + this.to) / 2) {
    const length = Math.min(Math.max((this.to - this.from) * factor, leastView), mostView);
    const share = (around - this.from) / (this.to - this.from);
    this.view(around - share * length, around + (1 - share) * length);
  }

  /** pan by a share of what is shown. */
  pan(share: number) {
    const d = (this.to - this.from) * share;
    this.view(this.from + d, this.to + d);
  }

  /** setHead moves the place that is played; the view follows it out of its end. */
  setHead(at: number) {
    const was = this.head;
    this.head = at;
    if (!this.drag && this.inView(was) && at > this.to && at - was < minute) this.pan(0.8);
    this.tell();
    this.draw();
  }

  /** tell says to assistive technology what the slider is at, in Unix seconds and in words. */
  private tell() {
    this.root.setAttribute("aria-valuenow", String(Math.round(this.head / 1000)));
    this.root.setAttribute("aria-valuemin", String(Math.round(this.from / 1000)));
    this.root.setAttribute("aria-valuemax", String(Math.round(this.to / 1000)));
    this.root.setAttribute("aria-valuetext", moment(this.head));
  }

  /** show brings an instant into view. */
  show(at: number) {
    if (!this.inView(at)) this.view(at - (this.to - this.from) / 2, at + (this.to - this.from) / 2);
  }

  private inView(at: number) {
    return at >= this.from && at <= this.to;
  }

  gapAt(at: number): api.Gap | undefined {
    return this.data.gaps.find((g) => g.from <= at && at < g.to);
  }

  recordedAt(at: number): boolean {
    return this.data.spans.some((s) => s.from <= at && at < s.to);
  }

  /** reload fetches anew what is shown: something of it was changed. */
  reload() {
    this.loaded.at = 0;
    this.want(true);
  }

  /** tick fetches anew what has grown meanwhile; called every few seconds. */
  tick() {
    if (this.to > Date.now() - 5 * minute) this.want(true);
  }

  private want(again = false) {
    const covered = this.loaded.from <= this.from && this.loaded.to >= this.to;
    if (covered && !(again && Date.now() - this.loaded.at > 4000)) return;
    window.clearTimeout(this.loadTimer);
    this.loadTimer = window.setTimeout(() => void this.load(), this.loaded.at === 0 ? 0 : 120);
  }

  private async load() {
    const length = this.to - this.from;
    const from = Math.max(0, this.from - length);
    const to = this.to + length;
    this.loading?.abort();
    const ctl = (this.loading = new AbortController());
    try {
      this.data = await api.recordings(this.name, from, to, ctl.signal);
      this.loaded = { from, to, at: Date.now() };
      this.failure = "";
    } catch (e) {
      if (ctl.signal.aborted) return;
      this.failure = (e as Error).message;
      this.loaded.at = Date.now();
    }
    this.draw();
  }

  private width() {
    return this.root.clientWidth;
  }

  private x(at: number) {
    return ((at - this.from) / (this.to - this.from)) * this.width();
  }

  private at(x: number) {
    return this.from + (x / this.width()) * (this.to - this.from);
  }

  private draw() {
    if (this.drawn) return;
    this.drawn = requestAnimationFrame(() => {
      this.drawn = 0;
      this.paint();
    });
  }

  private paint() {
    const w = this.width();
    const g = this.canvas.getContext("2d");
    if (!w || !g) return;
    const scale = window.devicePixelRatio || 1;
    const height = axisHeight + barHeight;
    if (this.canvas.width !== Math.round(w * scale)) {
      this.canvas.width = Math.round(w * scale);
      this.canvas.height = Math.round(height * scale);
      this.canvas.style.height = `${height}px`;
    }
    g.setTransform(scale, 0, 0, scale, 0, 0);
    g.clearRect(0, 0, w, height);
    g.fillStyle = colours.none;
    g.fillRect(0, axisHeight, w, barHeight);
    this.paintAxis(g, w, height);
    g.fillStyle = colours.span;
    for (const s of this.data.spans) this.block(g, s, axisHeight + 4, barHeight - 8);
    for (const gap of this.data.gaps) this.paintGap(g, gap);
    g.fillStyle = colours.event;
    for (const e of this.data.events) this.block(g, { from: e.from, to: Math.max(e.to, e.from + (3 * (this.to - this.from)) / w) }, axisHeight + barHeight - 9, 5);
    g.fillStyle = colours.lock;
    for (const l of this.data.locks) this.block(g, l, axisHeight, 3);
    this.paintMarks(g);
    const now = Date.now();
    if (this.inView(now)) this.line(g, now, colours.now, 1);
    if (this.inView(this.head)) this.line(g, this.head, colours.head, 2);
    if (this.failure) {
      g.fillStyle = "#ffb4a9";
      g.fillText(`The recordings cannot be listed: ${this.failure}`, 8, axisHeight + barHeight / 2 + 4);
    }
  }

  private block(g: CanvasRenderingContext2D, s: api.Span, y: number, height: number) {
    const x = Math.max(this.x(s.from), -2);
    const end = Math.min(this.x(s.to), this.width() + 2);
    if (end > x) g.fillRect(x, y, Math.max(end - x, 1), height);
  }

  // A gap is told from a recording by its pattern too, not by its colour alone.
  private paintGap(g: CanvasRenderingContext2D, gap: api.Gap) {
    const x = Math.max(this.x(gap.from), 0);
    const end = Math.min(this.x(Math.min(gap.to, Date.now())), this.width());
    if (end - x < 0.5) return;
    g.save();
    g.beginPath();
    g.rect(x, axisHeight + 4, Math.max(end - x, 1), barHeight - 8);
    g.clip();
    g.fillStyle = gap.cause === "config" || gap.cause === "restart" ? "#39404a" : colours.gap;
    g.fillRect(x, axisHeight, end - x + 1, barHeight);
    g.strokeStyle = gap.cause === "config" || gap.cause === "restart" ? "#56606d" : colours.stripe;
    g.lineWidth = 1.5;
    g.beginPath();
    for (let i = Math.floor(x / 8) * 8 - barHeight; i < end; i += 8) {
      g.moveTo(i, axisHeight + barHeight);
      g.lineTo(i + barHeight, axisHeight);
    }
    g.stroke();
    g.restore();
  }

  private paintAxis(g: CanvasRenderingContext2D, w: number, height: number) {
    g.font = "11px system-ui, sans-serif";
    const perPixel = (this.to - this.from) / w;
    const step = steps.find((s) => s / perPixel >= 62) ?? day;
    const zone = new Date(this.from).getTimezoneOffset() * minute;
    for (let t = Math.ceil((this.from - zone) / step) * step + zone; t <= this.to; t += step) {
      const x = this.x(t);
      g.fillStyle = colours.grid;
      g.fillRect(x, axisHeight - 4, 1, height);
      const label = clock(t) === "00:00:00" ? dayOf(t).slice(5) : step < minute ? clock(t) : clock(t).slice(0, 5);
      g.fillStyle = getComputedStyle(this.root).color;
      const half = g.measureText(label).width / 2;
      g.fillText(label, Math.min(Math.max(x - half, 1), w - 2 * half - 1), 13);
    }
  }

  private paintMarks(g: CanvasRenderingContext2D) {
    const a = this.markFrom;
    const b = this.markTo;
    if (a !== null && b !== null && b > a) {
      g.fillStyle = colours.mark;
      this.block(g, { from: a, to: b }, axisHeight, barHeight);
    }
    for (const m of [a, b]) if (m !== null && this.inView(m)) this.line(g, m, colours.markEdge, 2);
  }

  private line(g: CanvasRenderingContext2D, at: number, colour: string, width: number) {
    g.fillStyle = colour;
    g.fillRect(this.x(at) - width / 2, axisHeight - 4, width, barHeight + 4);
  }

  // What the pointer does.

  private place(e: MouseEvent) {
    const box = this.canvas.getBoundingClientRect();
    return { x: e.clientX - box.left, y: e.clientY - box.top };
  }

  private onDown(e: PointerEvent) {
    if (e.button !== 0) return;
    this.canvas.setPointerCapture(e.pointerId);
    this.pointers.set(e.pointerId, this.place(e));
    this.drag = this.pointers.size > 1 ? "pinch" : this.place(e).y < axisHeight ? "move" : "seek";
    if (this.drag === "seek") this.setHead(this.at(this.place(e).x));
    this.root.focus({ preventScroll: true });
  }

  private onMove(e: PointerEvent) {
    const p = this.place(e);
    const was = this.pointers.get(e.pointerId);
    if (!was) {
      this.showTip(p.x);
      return;
    }
    const before = [...this.pointers.values()].map((q) => q.x);
    this.pointers.set(e.pointerId, p);
    switch (this.drag) {
      case "seek":
        this.setHead(this.at(Math.min(Math.max(p.x, 0), this.width())));
        this.showTip(p.x);
        break;
      case "move":
        this.pan((was.x - p.x) / this.width());
        break;
      case "pinch": {
        const after = [...this.pointers.values()].map((q) => q.x);
        const spread = (x: number[]) => Math.max(Math.abs(x[0] - x[1]), 10);
        if (after.length === 2) this.zoom(spread(before) / spread(after), this.at((after[0] + after[1]) / 2));
      }
    }
  }

  private onUp(e: PointerEvent) {
    if (!this.pointers.delete(e.pointerId)) return;
    if (this.drag === "seek" && e.type === "pointerup") this.hooks.seek(this.head);
    if (this.pointers.size === 0) this.drag = "";
    if (e.pointerType !== "mouse") this.hideTip();
  }

  private onWheel(e: WheelEvent) {
    e.preventDefault();
    const sideways = e.shiftKey ? e.deltaY || e.deltaX : e.deltaX;
    if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) this.pan(sideways / this.width());
    else this.zoom(Math.exp(Math.sign(e.deltaY) * Math.min(Math.abs(e.deltaY), 120) * 0.003), this.at(this.place(e).x));
  }

  private onKey(e: KeyboardEvent) {
    if (e.ctrlKey || e.altKey || e.metaKey) return;
    const move: Record<string, number> = {
      ArrowLeft: e.shiftKey ? -minute : -10e3,
      ArrowRight: e.shiftKey ? minute : 10e3,
      PageDown: 10 * minute,
      PageUp: -10 * minute,
    };
    if (e.key in move) this.jump(this.head + move[e.key]);
    else if (e.key === "Home") this.jump(this.from);
    else if (e.key === "+" || e.key === "=") this.zoom(0.5);
    else if (e.key === "-") this.zoom(2);
    else return;
    e.preventDefault();
  }

  private jump(at: number) {
    const t = Math.min(at, Date.now());
    this.setHead(t);
    this.show(t);
    this.hooks.seek(t);
  }

  private showTip(x: number) {
    const at = this.at(x);
    const gap = this.gapAt(at);
    const length = gap ? ` for ${span(gap.to - gap.from)}` : "";
    let what = "";
    if (gap) what = `: not recorded${gap.open ? "" : length}, ${api.causes[gap.cause] ?? gap.cause}`;
    else if (at > Date.now()) what = ": in the future";
    else if (!this.recordedAt(at)) what = ": nothing recorded";
    const near = (3 * (this.to - this.from)) / this.width();
    const kinds = new Set(this.data.events.filter((e) => e.from - near <= at && at <= Math.max(e.to, e.from) + near).map((e) => e.kind));
    if (kinds.size) what += `. ${[...kinds].join(", ")}`;
    const lock = this.data.locks.find((l) => l.from <= at && at < l.to);
    if (lock) what += `. Kept${lock.note ? `: ${lock.note}` : ""}`;
    setText(this.tipText, moment(at) + what);
    this.tip.hidden = false;
    const half = this.tip.offsetWidth / 2;
    this.tip.style.left = `${Math.min(Math.max(x, half), Math.max(this.width() - half, half))}px`;
    if (!this.tipPicture) return;
    window.clearTimeout(this.pictureTimer);
    this.pictureWanted = this.recordedAt(at);
    if (!this.pictureWanted) {
      this.tipPicture.hidden = true;
      return;
    }
    this.pictureTimer = window.setTimeout(() => (this.tipPicture!.src = api.thumbnail(this.name, at)), 150);
  }

  private hideTip() {
    window.clearTimeout(this.pictureTimer);
    this.tip.hidden = true;
    this.pictureWanted = false;
    if (this.tipPicture) this.tipPicture.hidden = true;
  }

  close() {
    this.resize.disconnect();
    this.loading?.abort();
    window.clearTimeout(this.loadTimer);
    window.clearTimeout(this.pictureTimer);
    cancelAnimationFrame(this.drawn);
  }
}
