// SPDX-License-Identifier: LGPL-2.1-or-later

// player.mjs plays an http-flv stream by mpegts.js in headless Chromium and fails where its
// pictures do not move. many_test.go runs it and says in JSON what there is:
//
//   ui        directory of web/ui, whose modules it uses
//   chromium  the browser's path
//   page      URL of a page with mpegts.js and a video element
//   stream    URL of the stream, of another origin than the page
//   pictures  how many must be shown, of a picture that has a size and in time that goes on

import { createRequire } from "node:module";
import path from "node:path";

const want = JSON.parse(process.argv[2]);
const { chromium } = createRequire(path.join(want.ui, "package.json"))("playwright-core");

const browser = await chromium.launch({
  executablePath: want.chromium,
  args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio", "--disable-dev-shm-usage"],
});
try {
  const page = await browser.newPage();
  page.on("console", (m) => console.error(m.text()));
  page.on("pageerror", (e) => console.error(e.message));
  await page.goto(want.page);
  await page.evaluate((url) => {
    window.failed = "";
    const player = mpegts.createPlayer({ type: "flv", isLive: true, url });
    player.on(mpegts.Events.ERROR, (...what) => (window.failed = JSON.stringify(what)));
    player.attachMediaElement(document.querySelector("video"));
    player.load();
    player.play();
  }, want.stream);
  await page.waitForFunction(
    (least) => {
      const v = document.querySelector("video");
      return window.failed || (v.getVideoPlaybackQuality().totalVideoFrames >= least && v.videoWidth > 0 && v.currentTime > 1);
    },
    want.pictures,
    { timeout: 90_000 },
  );
  const failed = await page.evaluate(() => window.failed);
  if (failed) throw new Error(`mpegts.js: ${failed}`);
} finally {
  await browser.close();
}
