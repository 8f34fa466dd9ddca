// SPDX-License-Identifier: LGPL-2.1-or-later

import * as api from "./api";
import { h, moment, setText, span } from "./dom";
import type { Timeline } from "./timeline";

/** LockPanel keeps the marked stretch from being removed, and lists what is kept. */
export class LockPanel {
  readonly root: HTMLElement;
  private note = h("input", { type: "text", maxlength: 200, placeholder: "Why (optional)", "aria-label": "Why this stretch is kept" });
  private keep: HTMLButtonElement;
  private status = h("span", { role: "status" });
  private list = h("ul", { class: "locks", "aria-label": "What is kept of this camera" });
  private shown = "";
  private timer = 0;
  private closed = false;

  constructor(
    private name: string,
    private timeline: Timeline,
    private seek: (at: number) => void,
  ) {
    this.keep = h("button", { type: "button", title: "No limit removes the marked stretch until it is unlocked", onclick: () => void this.lock() }, "Keep");
    this.root = h("section", { class: "export", "aria-label": "Kept recordings" }, this.keep, this.note, this.status, this.list);
    this.marked();
    void this.refresh();
  }

  /** marked is called when the marks of the timeline changed. */
  marked() {
    this.keep.disabled = this.timeline.markFrom === null || this.timeline.markTo === null;
  }

  private async lock() {
    const { markFrom: a, markTo: b } = this.timeline;
    if (a === null || b === null) return;
    this.keep.disabled = true;
    await this.act(async () => {
      await api.lock(this.name, a, b, this.note.value.trim());
      this.note.value = "";
      return `kept: ${moment(a)} – ${moment(b)}`;
    });
    this.marked();
  }

  /** act does something, says how it went and shows what is kept then. */
  private async act(f: () => Promise<string>) {
    try {
      setText(this.status, await f());
      this.status.classList.remove("bad");
    } catch (e) {
      setText(this.status, (e as Error).message);
      this.status.classList.add("bad");
    }
    await this.refresh();
    this.timeline.reload();
  }

  private async refresh() {
    window.clearTimeout(this.timer);
    try {
      this.show(await api.locks(this.name));
    } catch {
      // the page says that there is no contact
    }
    if (!this.closed) this.timer = window.setTimeout(() => void this.refresh(), 15_000);
  }

  private show(list: api.Lock[]) {
    const now = JSON.stringify(list);
    if (now === this.shown) return; // whoever is in the list with the keyboard stays there
    this.shown = now;
    this.list.replaceChildren(
      ...list.map((l) => {
        const what = `${moment(l.from)} – ${moment(l.to)}`;
        const row = h("li", {}, h("button", { type: "button", class: "link", "aria-label": `Play what is kept from ${what}`, onclick: () => this.seek(l.from) }, what), ` (${span(l.to - l.from)}) ${l.note} `);
        let sure = false;
        const unlock = h("button", { type: "button", "aria-label": `Unlock ${what}` }, "Unlock");
        unlock.addEventListener("click", () => {
          if (sure) {
            unlock.disabled = true;
            void this.act(async () => {
              await api.unlock(l.id);
              return `unlocked: ${what}`;
            });
            return;
          }
          sure = true; // a slip must not give evidence to the limits
          setText(unlock, "Limits may remove it then: unlock");
          unlock.setAttribute("aria-label", `Limits may remove it then: unlock ${what}`);
        });
        row.append(unlock);
        return row;
      }),
    );
  }

  close() {
    this.closed = true;
    window.clearTimeout(this.timer);
  }
}
