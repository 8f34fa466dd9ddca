// SPDX-License-Identifier: LGPL-2.1-or-later

import { defineConfig } from "vite";

// The page is embedded into the program from dist/app. No file refers to another
// server, and nothing is inlined that the content security policy would refuse.
export default defineConfig({
  base: "/",
  build: { target: "es2022", outDir: "dist/app", emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false }, reportCompressedSize: false, chunkSizeWarningLimit: 900 },
  // For work on the page: npm run dev beside a recorder.
  server: { proxy: Object.fromEntries(["/api", "/hls", "/live"].map((p) => [p, { target: "http://127.0.0.1:8420", ws: true }])) },
});
