// SPDX-License-Identifier: LGPL-2.1-or-later

import * as api from "./api";
import { CameraView } from "./camera";
import { h, setText, size, span } from "./dom";
import { Grid } from "./grid";

/** View is what fills the page under its head. */
export interface View {
  readonly root: HTMLElement;
  readonly title: string;
  update(list: api.Camera[]): void;
  close(): void;
}

const main = document.getElementById("main")!;
const connection = h("span", { class: "connection", role: "status" });
const storage = h("span", { class: "storage" });
document.getElementById("top")!.append(h("a", { href: "#/", class: "brand" }, "xp2p"), storage, connection);

let view: View | null = null;
let list: api.Camera[] | null = null;
let thumbnails = false;

/** route shows what the address says: #/ or #/camera/NAME, with ?t=UNIX SECONDS for a place in its recordings. */
function route() {
  const m = /^#\/camera\/([^?]+)(?:\?t=([\d.]+))?$/.exec(location.hash);
  view?.close();
  view = m ? new CameraView(decodeURIComponent(m[1]), m[2] ? Number(m[2]) * 1000 : null, thumbnails) : new Grid();
  document.title = `${view.title} · xp2p`;
  main.replaceChildren(view.root);
  if (list) view.update(list);
}

/** How often states are asked for; events make it sooner. */
const every = 5000;
let timer = 0;
let asking = false;

async function refresh() {
  window.clearTimeout(timer);
  if (!asking) {
    asking = true;
    try {
      list = await api.cameras();
      view?.update(list);
      setText(connection, "");
      document.body.classList.remove("lost");
    } catch (e) {
      setText(connection, `No contact: ${(e as Error).message}. Trying again.`);
      document.body.classList.add("lost");
    }
    asking = false;
  }
  timer = window.setTimeout(() => void refresh(), every);
}

const day = 24 * 3600e3;

/** outlook says when a storage is full, or how far back it will reach. */
function outlook(f?: api.Forecast): string {
  if (f?.full) {
    const left = Date.parse(f.full) - Date.now();
    return `, full ${left > 0 ? `in ${span(left)}` : "now"}: unlock recordings, or set max-bytes or keep-free`;
  }
  if (f?.evicts && Date.parse(f.evicts) > Date.now()) return `, the oldest go in ${span(Date.parse(f.evicts) - Date.now())}`;
  if (f?.evicts && f.holds) return `, reaches back ${span(f.holds * 1000)}`;
  return "";
}

async function showStorage() {
  try {
    const s = await api.system();
    thumbnails = s.thumbnails;
    const broken = s.storages.filter((x) => x.error);
    const soon = s.forecasts.filter((f) => f.full && Date.parse(f.full) < Date.now() + day);
    storage.classList.toggle("bad", broken.length + soon.length > 0);
    setText(
      storage,
      broken.length
        ? broken.map((x) => `${x.dir}: ${x.error}`).join("; ")
        : s.storages.map((x) => `${size(x.bytes + x.open_bytes)} recorded, ${size(x.free)} free${outlook(s.forecasts.find((f) => f.dir === x.dir))}`).join("; "),
    );
  } catch {
    // refresh says that there is no contact
  }
}

let soon = 0;
api.events(
  () => {
    window.clearTimeout(soon);
    soon = window.setTimeout(() => void refresh(), 100);
  },
  () => undefined,
);
await showStorage();
window.setInterval(() => void showStorage(), 30_000);
window.addEventListener("hashchange", route);
route();
void refresh();
