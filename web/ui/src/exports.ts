// SPDX-License-Identifier: LGPL-2.1-or-later

import * as api from "./api";
import { h, moment, setText, size, span } from "./dom";
import type { Timeline } from "./timeline";

const most = 24 * 3600e3;

/** ExportPanel marks a stretch of the timeline and makes it a file to keep. */
export class ExportPanel {
  readonly root: HTMLElement;
  private range = h("span", { class: "range" });
  private start: HTMLButtonElement;
  private clear: HTMLButtonElement;
  private aac = h("input", { type: "checkbox", "aria-label": "Sound as AAC" });
  private aacLabel = h("label", { hidden: true, title: "Hardly any player knows the camera's own sound, G.711" }, this.aac, " Sound as AAC");
  private list = h("ul", { class: "exports" });
  private timers = new Set<number>();
  private closed = false;

  constructor(
    private name: string,
    private timeline: Timeline,
    private head: () => number,
    private marked: () => void,
  ) {
    this.start = h("button", { type: "button", class: "primary", onclick: () => void this.begin() }, "Export");
    this.clear = h("button", { type: "button", onclick: () => this.mark(null, null) }, "Clear");
    this.root = h(
      "section",
      { class: "export", "aria-label": "Export" },
      h("button", { type: "button", title: "Key I", onclick: () => this.markIn() }, "Mark start"),
      h("button", { type: "button", title: "Key O", onclick: () => this.markOut() }, "Mark end"),
      this.range,
      this.aacLabel,
      this.start,
      this.clear,
      this.list,
    );
    this.show();
  }

  /** setTracks offers to convert the sound where the camera sends one that players do not know. */
  setTracks(tracks: string | undefined) {
    const offered = api.isG711(tracks);
    if (this.aacLabel.hidden === !offered) return;
    this.aacLabel.hidden = !offered;
    this.aac.checked = offered;
  }

  markIn() {
    const at = this.head();
    const end = this.timeline.markTo;
    this.mark(at, end !== null && end > at ? end : null);
  }

  markOut() {
    const at = this.head();
    const begin = this.timeline.markFrom;
    this.mark(begin !== null && begin < at ? begin : null, at);
  }

  private mark(from: number | null, to: number | null) {
    this.timeline.markFrom = from;
    this.timeline.markTo = to;
    this.timeline.setHead(this.timeline.head);
    this.show();
    this.marked();
  }

  private show() {
    const { markFrom: a, markTo: b } = this.timeline;
    const ready = a !== null && b !== null;
    let text = "Mark a start and an end to export or keep a stretch.";
    if (ready) text = `${moment(a)} – ${moment(b)} (${span(b - a)})`;
    else if (a !== null) text = `From ${moment(a)}: mark its end.`;
    else if (b !== null) text = `Up to ${moment(b)}: mark its start.`;
    const long = ready && b - a > most;
    setText(this.range, long ? `${text}: at most 24 hours at once.` : text);
    this.start.disabled = !ready || long;
    this.clear.hidden = a === null && b === null;
  }

  private async begin() {
    const { markFrom: a, markTo: b } = this.timeline;
    if (a === null || b === null) return;
    this.start.disabled = true;
    const row = h("li", {}, `${moment(a)} – ${moment(b)}: `);
    const status = h("span", { role: "status" }, "begins");
    row.append(status);
    this.list.prepend(row);
    try {
      const e = await api.startExport(this.name, a, b, this.aac.checked);
      this.follow(e, row, status);
    } catch (e) {
      setText(status, (e as Error).message);
      row.classList.add("bad");
    }
    this.show();
  }

  /** follow shows how far an export is until it has ended. */
  private follow(e: api.Export, row: HTMLElement, status: HTMLElement) {
    const bar = h("progress", { max: 1, "aria-label": "Progress of the export" });
    const cancel = h("button", { type: "button", onclick: () => void api.dropExport(e.id).catch(() => undefined) }, "Cancel");
    row.append(bar, cancel);
    const look = async () => {
      try {
        e = await api.getExport(e.id);
      } catch (problem) {
        bar.remove();
        cancel.remove();
        setText(status, (problem as api.Problem).status === 404 ? "cancelled" : (problem as Error).message);
        return;
      }
      switch (e.state) {
        case "done":
          bar.remove();
          cancel.remove();
          setText(status, "ready: ");
          for (const f of e.files) {
            row.append(h("a", { href: api.exportFile(e.id, f.name), download: f.name }, `${f.name} (${size(f.bytes)}, ${span(f.duration * 1000)})`), " ");
          }
          return;
        case "failed":
          bar.remove();
          cancel.remove();
          setText(status, e.error ?? "failed");
          row.classList.add("bad");
          return;
        case "waiting":
          setText(status, "waits for another export");
          break;
        default:
          setText(status, e.total ? `${Math.floor((100 * e.done) / e.total)} %` : "runs");
          if (e.total) bar.value = e.done / e.total;
      }
      if (!this.closed) this.later(look, 400);
    };
    this.later(look, 150);
  }

  private later(f: () => Promise<void>, ms: number) {
    const t = window.setTimeout(() => {
      this.timers.delete(t);
      void f();
    }, ms);
    this.timers.add(t);
  }

  close() {
    this.closed = true;
    for (const t of this.timers) window.clearTimeout(t);
  }
}
