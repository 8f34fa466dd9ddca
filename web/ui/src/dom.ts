// SPDX-License-Identifier: LGPL-2.1-or-later

// Elements and texts. Data becomes text nodes only, never markup.

type Child = Node | string | null | undefined | false;
type Props = Record<string, unknown>;

/** h makes an element: on… are listeners, the rest attributes; false and null leave one out. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) e.setAttribute(name, "");
    else e.setAttribute(name, String(value));
  }
  e.append(...children.filter((c): c is Node | string => c !== null && c !== undefined && c !== false));
  return e;
}

/** setText changes a text only where it differs: screen readers read changes aloud. */
export function setText(e: Element, text: string) {
  if (e.textContent !== text) e.textContent = text;
}

const two = (n: number) => String(n).padStart(2, "0");

/** clock is a time of day, with seconds. */
export function clock(ms: number): string {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** dayOf is a date as 2026-11-24, in the browser's zone. */
export function dayOf(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
}

/** moment is a time with its date where that is not today's. */
export function moment(ms: number): string {
  return dayOf(ms) === dayOf(Date.now()) ? clock(ms) : `${dayOf(ms)} ${clock(ms)}`;
}

/** midnight is when the day of ms begins. */
export function midnight(ms: number): number {
  const d = new Date(ms);
  return new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
}

/** span is a duration in words: "3 min 20 s". */
export function span(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return s % 60 ? `${m} min ${s % 60} s` : `${m} min`;
  const hours = Math.floor(m / 60);
  if (hours < 48) return m % 60 ? `${hours} h ${m % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

/** size is bytes in the usual units. */
export function size(bytes: number): string {
  let n = bytes;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (n < 1000) return `${n < 10 && unit !== "B" ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1024;
  }
  return `${n.toFixed(1)} TiB`;
}

/** rate is bits per second. */
export function rate(bps: number): string {
  return bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1e3)} kbit/s`;
}
