// SPDX-License-Identifier: LGPL-2.1-or-later

// The recorder's HTTP API, as far as the page uses it (docs/guide/web.md).

export interface Camera {
  name: string;
  source: string;
  state: "connecting" | "live" | "waiting" | "idle" | "stopped";
  recording: string;
  since: string;
  path?: string;
  bitrate: number;
  recorded: { error?: string; dropped: number };
  error?: string;
  retry?: string;
  tracks?: string;
  gap: { from: string; cause: string } | null;
  swarm?: Swarm;
}

/** Swarm is where a stream of many viewers comes from. */
export interface Swarm {
  p2pBytes: number; // from other viewers
  cdnBytes: number; // from the source
  links: number; // to other viewers
}

/** Forecast is what becomes of a storage if it goes on as in the last day. */
export interface Forecast {
  dir: string;
  measured: number; // s
  evicts?: string;
  full?: string;
  holds: number; // s
}

export interface Storage {
  dir: string;
  bytes: number; // of complete files
  open_bytes: number; // of those being written
  free: number;
  error?: string;
}

export interface System {
  version: string;
  storages: Storage[];
  forecasts: Forecast[];
  thumbnails: boolean;
}

export interface Span {
  from: number;
  to: number;
}

export interface Gap extends Span {
  cause: string;
  open: boolean;
}

/** Happening is an event of a camera. */
export interface Happening extends Span {
  kind: string;
}

/** Lock is a stretch that no limit removes. */
export interface Lock extends Span {
  id: string;
  note: string;
}

export interface Recordings {
  spans: Span[];
  gaps: Gap[];
  events: Happening[];
  locks: Lock[];
}

export interface Export {
  id: string;
  camera: string;
  state: "waiting" | "running" | "done" | "failed";
  done: number;
  total: number;
  error?: string;
  files: { name: string; bytes: number; duration: number }[];
}

/** Problem is an answer that is an error; its message says what to do. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function call<T>(path: string, init: RequestInit = {}): Promise<T> {
  let res: Response;
  try {
    res = await fetch(path, { ...init, headers: init.body ? { "Content-Type": "application/json" } : {} });
  } catch (e) {
    if ((e as Error).name === "AbortError") throw e;
    throw new Problem(0, "the recorder does not answer; see whether xp2p nvr runs, and the way to it");
  }
  if (res.status === 401) {
    location.assign("/"); // the login form
  }
  if (!res.ok) {
    const p = await res.json().catch(() => ({ error: res.statusText }));
    throw new Problem(res.status, p.error);
  }
  return res.status === 204 ? (undefined as T) : res.json();
}

const at = (name: string) => `/api/v1/cameras/${encodeURIComponent(name)}`;
const seconds = (ms: number) => (ms / 1000).toFixed(3);

export const cameras = () => call<Camera[]>("/api/v1/cameras");
export const camera = (name: string) => call<Camera>(at(name));
export const system = () => call<System>("/api/v1/system");

interface SentLock {
  id: string;
  from: string;
  to: string;
  note?: string;
}

const lockOf = (l: SentLock): Lock => ({ id: l.id, from: Date.parse(l.from), to: Date.parse(l.to), note: l.note ?? "" });

export const locks = async (name: string, signal?: AbortSignal) => (await call<SentLock[]>(`${at(name)}/locks`, { signal })).map(lockOf);
export const lock = (name: string, from: number, to: number, note: string) =>
  call<SentLock>(`${at(name)}/locks`, { method: "POST", body: JSON.stringify({ from: from / 1000, to: to / 1000, note }) });
export const unlock = (id: string) => call<void>(`/api/v1/locks/${encodeURIComponent(id)}`, { method: "DELETE" });

export async function recordings(name: string, from: number, to: number, signal?: AbortSignal): Promise<Recordings> {
  const kept = locks(name, signal);
  kept.catch(() => undefined); // awaited below, if the other request did not fail first
  const r = await call<{
    spans: { from: string; to: string }[];
    gaps: { from: string; to?: string; cause: string }[];
    events: { from: string; to: string; kind: string }[];
  }>(
    `${at(name)}/recordings?from=${seconds(from)}&to=${seconds(to)}`,
    { signal },
  );
  return {
    spans: r.spans.map((s) => ({ from: Date.parse(s.from), to: Date.parse(s.to) })),
    gaps: r.gaps.map((g) => ({ from: Date.parse(g.from), to: g.to ? Date.parse(g.to) : to, cause: g.cause, open: !g.to })),
    events: r.events.map((e) => ({ from: Date.parse(e.from), to: Date.parse(e.to), kind: e.kind })),
    locks: await kept,
  };
}

/** calendar gives the days of a month ("2026-11") that have recordings. */
export async function calendar(name: string, month: string): Promise<number[]> {
  const tz = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  return (await call<{ days: number[] }>(`${at(name)}/calendar?month=${month}&tz=${encodeURIComponent(tz)}`)).days;
}

export const thumbnail = (name: string, ms: number) => `${at(name)}/thumbnail?time=${seconds(ms)}&width=240`;

/** startExport makes a stretch a file; with aac, G.711 becomes a sound that players know. */
export const startExport = (name: string, from: number, to: number, aac: boolean) =>
  call<Export>("/api/v1/exports", { method: "POST", body: JSON.stringify({ camera: name, from: from / 1000, to: to / 1000, exact: true, aac }) });
export const getExport = (id: string) => call<Export>(`/api/v1/exports/${id}`);
export const dropExport = (id: string) => call<void>(`/api/v1/exports/${id}`, { method: "DELETE" });
export const exportFile = (id: string, file: string) => `/api/v1/exports/${id}/files/${encodeURIComponent(file)}`;

/** playlist is the recordings of a stretch; without an end it grows. */
export const playlist = (name: string, from: number, to?: number) =>
  `/hls/${encodeURIComponent(name)}/media.m3u8?from=${seconds(from)}${to ? `&to=${seconds(to)}` : ""}`;

/**
 * liveSocket is a live stream by WebSocket, of which a browser opens more than six. With
 * sound, that of telephones (G.711), which browsers do not play, comes as FLAC.
 */
export const liveSocket = (name: string, sound: boolean) =>
  `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live/${encodeURIComponent(name)}.flv${sound ? "?sound=flac" : ""}`;

export interface Event {
  type: string;
  camera?: string;
  detail?: unknown;
}

/** events calls back for what happens, and says whether it hears at all. */
export function events(hear: (e: Event) => void, connected: (ok: boolean) => void): () => void {
  const source = new EventSource("/api/v1/events");
  source.onopen = () => connected(true);
  source.onerror = () => connected(false);
  for (const type of ["camera.state", "export.progress", "export.done", "lost"]) {
    source.addEventListener(type, (m) => hear(JSON.parse((m as MessageEvent<string>).data) as Event));
  }
  return () => source.close();
}

/** awaySince is when a camera that is not live went away: earlier than its last attempt. */
export function awaySince(c: Camera): number {
  return c.gap ? Date.parse(c.gap.from) : Date.parse(c.since);
}

/** stateNames are the states in a word. */
export const stateNames = { live: "Online", connecting: "Connecting", waiting: "Away", idle: "Idle", stopped: "Stopped" };

/** fromViewers says what part of a stream of many viewers comes from them; "": it is none. */
export const fromViewers = (c: Camera) => {
  const s = c.swarm;
  return s ? `, ${Math.round((100 * s.p2pBytes) / Math.max(1, s.p2pBytes + s.cdnBytes))} % of it from other viewers (${s.links} linked)` : "";
};

/** isG711 says whether a camera sends sound that hardly any player knows. */
export const isG711 = (tracks?: string) => /\b(alaw|mulaw) /.test(tracks ?? "");

/** reasons are those for which a camera is recorded only now and then. */
export const reasons: Record<string, string> = { "": "not recorded now", schedule: "recorded by schedule", event: "recorded for an event", request: "recorded on request" };

/** why says in words what a camera's state is, and why. */
export function why(c: Camera): string {
  switch (c.state) {
    case "live":
      return "live";
    case "connecting":
      return c.error ? `connecting again; the last attempt ended: ${c.error}` : "connecting";
    case "waiting":
      return c.error ?? "away";
    case "idle":
      return "not connected, since it is not recorded now: it is when you watch";
    default:
      return "the recorder stops";
  }
}

/** causes of gaps, in words. */
export const causes: Record<string, string> = {
  link: "the way to the camera was broken",
  camera: "the camera stopped or sent nothing usable",
  disk: "the disk was failing, full or too slow",
  overload: "the recorder's machine could not keep up",
  config: "the camera was not configured",
  restart: "the recorder was stopped",
  crash: "the recorder ended without being stopped",
  clock: "a clock jumped",
};
