// SPDX-License-Identifier: LGPL-2.1-or-later

import * as api from "./api";
import { dayOf, h, setText } from "./dom";

const names = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/** Calendar is a button with a day on it and, once pressed, a month in which days with recordings stand out. */
export class Calendar {
  readonly root: HTMLElement;
  private button: HTMLButtonElement;
  private panel = h("div", { class: "calendar", role: "dialog", "aria-label": "Choose a day", hidden: true });
  private shown = new Date();
  private day = "";
  private asked = 0;

  constructor(
    private name: string,
    private choose: (midnight: number) => void,
  ) {
    this.button = h("button", { class: "day", type: "button", "aria-haspopup": "dialog", "aria-expanded": "false", onclick: () => this.toggle() });
    this.root = h(
      "div",
      {
        class: "popover",
        onkeydown: (e: KeyboardEvent) => {
          if (e.key === "Escape" && !this.panel.hidden) this.toggle();
        },
        onfocusout: (e: FocusEvent) => {
          if (e.relatedTarget && !this.root.contains(e.relatedTarget as Node) && !this.panel.hidden) this.toggle();
        },
      },
      this.button,
      this.panel,
    );
  }

  /** set shows the day of an instant on the button. */
  set(at: number) {
    const d = dayOf(at);
    if (d === this.day) return;
    this.day = d;
    setText(this.button, d);
    this.button.setAttribute("aria-label", `Day shown: ${d}. Choose another`);
  }

  private toggle() {
    this.panel.hidden = !this.panel.hidden;
    this.button.setAttribute("aria-expanded", String(!this.panel.hidden));
    if (this.panel.hidden) {
      this.button.focus();
      return;
    }
    this.shown = new Date(`${this.day}T00:00:00`);
    void this.fill();
  }

  private turn(months: number) {
    this.shown = new Date(this.shown.getFullYear(), this.shown.getMonth() + months, 1);
    void this.fill();
  }

  private async fill() {
    const year = this.shown.getFullYear();
    const month = this.shown.getMonth();
    const asked = ++this.asked;
    const text = `${year}-${String(month + 1).padStart(2, "0")}`;
    let say = "";
    const days = await api.calendar(this.name, text).catch((e: Error) => {
      say = e.message;
      return [] as number[];
    });
    if (asked !== this.asked) return;
    const last = new Date(year, month + 1, 0).getDate();
    const grid = h("div", { class: "days" });
    for (const d of ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"]) grid.append(h("span", { class: "weekday", "aria-hidden": "true" }, d));
    for (let i = (new Date(year, month, 1).getDay() + 6) % 7; i > 0; i--) grid.append(h("span"));
    for (let d = 1; d <= last; d++) {
      const iso = `${text}-${String(d).padStart(2, "0")}`;
      const has = days.includes(d);
      grid.append(
        h(
          "button",
          {
            type: "button",
            class: has ? "has" : "",
            disabled: !has,
            "aria-current": iso === this.day ? "date" : null,
            "aria-label": `${iso}${has ? "" : ", nothing recorded"}`,
            onclick: () => {
              this.toggle();
              this.choose(new Date(year, month, d).getTime());
            },
          },
          String(d),
        ),
      );
    }
    this.panel.replaceChildren(
      h(
        "div",
        { class: "month" },
        h("button", { type: "button", "aria-label": "Month before", onclick: () => this.turn(-1) }, "‹"),
        h("strong", { "aria-live": "polite" }, `${names[month]} ${year}`),
        h("button", { type: "button", "aria-label": "Next month", onclick: () => this.turn(1) }, "›"),
      ),
      grid,
      h("p", { class: "hint" }, say || (days.length ? "" : "Nothing was recorded in this month.")),
    );
    (this.panel.querySelector("button[aria-current], button.has") as HTMLElement | null)?.focus();
  }
}
