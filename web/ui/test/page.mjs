// SPDX-License-Identifier: LGPL-2.1-or-later

// page.mjs uses the page as a person does, in headless Chromium, and fails where it does
// not do what it should. internal/e2e runs it beside a recorder and says in JSON what it
// may expect:
//
//   url        with the token
//   cameras    whose pictures must move
//   away       camera that is not there
//   play       camera with recordings
//   telephone  camera with recordings whose sound is G.711; may be missing
//   gap        [from, to] of a hole in them, Unix ms, with recordings on both sides
//   thumbnails whether there are any
//   download   directory for the export
//   shots      directory for pictures of the page; may be empty
//
// What it says in JSON is what it measured.

import { strict as assert } from "node:assert";
import path from "node:path";
import { chromium } from "playwright-core";

const want = JSON.parse(process.argv[2]);
const patience = 45_000;
const measured = {};

const browser = await chromium.launch({
  executablePath: want.chromium,
  // Root of a container has no sandbox; a person presses play, a test cannot wait for one.
  args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio", "--disable-dev-shm-usage"],
});
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, acceptDownloads: true });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  const complaints = [];
  page.on("pageerror", (e) => complaints.push(`page error: ${e.message}`));
  page.on("console", (m) => {
    // What is answered with an error is looked at by its effect.
    if (m.type() === "error" && !/Failed to load resource|WebSocket connection/.test(m.text())) complaints.push(`console: ${m.text()}`);
  });
  const shot = (name) => (want.shots ? page.screenshot({ path: path.join(want.shots, `${name}.png`), fullPage: true }) : undefined);

  await steps(page, context, shot);
  assert.deepEqual(complaints, []);
  console.log(JSON.stringify(measured));
} finally {
  await browser.close();
}

/** frames is how many pictures a video element has shown. */
function frames(page, selector) {
  return page.$eval(selector, (v) => v.getVideoPlaybackQuality().totalVideoFrames);
}

/** moves waits for a video to show n more pictures. */
async function moves(page, selector, n) {
  await page.waitForSelector(selector, { state: "attached" });
  const before = await frames(page, selector);
  await page.waitForFunction(([s, least]) => document.querySelector(s)?.getVideoPlaybackQuality().totalVideoFrames >= least, [selector, before + n], { timeout: patience });
}

/** sounds waits for the camera's sound to be decoded. */
async function sounds(page) {
  const decoded = () => page.$eval(".camera video", (v) => v.webkitAudioDecodedByteCount);
  const before = await decoded();
  await page.waitForFunction((least) => document.querySelector(".camera video").webkitAudioDecodedByteCount > least, before + 4000, { timeout: patience });
}

/** shown is the time that the page says the picture is of, Unix ms. */
async function shown(page) {
  return Date.parse((await page.textContent(".time")).replace(" ", "T"));
}

async function fits(page, width) {
  const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
  assert.ok(wide <= width, `the page is ${wide} pixels wide on a screen of ${width}`);
}

async function steps(page, context, shot) {
  // Without the token there is nothing but the question for it.
  const stranger = await page.goto(new URL("/", want.url).href);
  assert.equal(stranger.status(), 401);
  assert.ok(await page.isVisible("input[name=token]"));
  await page.goto(want.url);
  assert.ok(!page.url().includes("token"), `the token stays in the address: ${page.url()}`);

  // Live pictures move; a camera that is away says why and since when.
  for (const name of want.cameras) await moves(page, `.tile[data-camera="${name}"] video`, 25);
  const away = `.tile[data-camera="${want.away}"]`;
  await page.waitForFunction((s) => /refused/.test(document.querySelector(s)?.querySelector(".note")?.textContent), away);
  assert.match(await page.textContent(`${away} .detail`), /^since \d/);
  // Nothing is complete yet, but what is being written counts.
  await page.waitForFunction(() => /^[1-9].* recorded, .* free/.test(document.querySelector(".storage").textContent));
  await fits(page, 1280);
  await shot("grid");

  // One camera, live.
  await page.click(`.tile[data-camera="${want.play}"]`);
  await moves(page, ".camera video", 25);
  assert.equal(await page.getAttribute(".live", "aria-pressed"), "true");
  await shot("live");

  // Playback begins where a link says, and goes on across a gap.
  const [from, to] = want.gap;
  let began = Date.now();
  await page.evaluate(([name, t]) => (location.hash = `#/camera/${name}?t=${t}`), [want.play, (from - 3000) / 1000]);
  await page.waitForSelector('.camera[data-mode="playback"]');
  await moves(page, ".camera video", 1);
  measured.start_ms = Date.now() - began;
  const first = await shown(page);
  assert.ok(Math.abs(first - (from - 3000)) < 3000, `playback begins at ${new Date(first).toISOString()}, asked for ${new Date(from - 3000).toISOString()}`);
  await moves(page, ".camera video", 25);
  await page.waitForFunction((t) => Date.parse(document.querySelector(".time").textContent.replace(" ", "T")) >= t, to + 1000);
  await moves(page, ".camera video", 25);

  // A press on the timeline seeks; so do the keys.
  await page.focus(".timeline");
  for (let i = 0; i < 7; i++) await page.keyboard.press("+");
  const asked = Number(await page.getAttribute(".timeline", "aria-valuenow")) * 1000;
  const canvas = page.locator(".timeline canvas");
  const box = await canvas.boundingBox();
  const [low, high] = await page.$eval(".timeline", (e) => [Number(e.getAttribute("aria-valuemin")) * 1000, Number(e.getAttribute("aria-valuemax")) * 1000]);
  assert.ok(high - low < 3 * 60e3, `zoomed in, ${(high - low) / 1000} s are shown`);
  const target = from - 2500;
  const x = ((target - low) / (high - low)) * box.width;
  assert.ok(x > 0 && x < box.width, `the place to press is not in view: ${x} of ${box.width}, at ${asked}`);
  began = Date.now();
  await page.mouse.click(box.x + x, box.y + box.height - 20);
  await page.waitForFunction((t) => Math.abs(Date.parse(document.querySelector(".time").textContent.replace(" ", "T")) - t) < 2500, target);
  await moves(page, ".camera video", 1);
  measured.seek_ms = Date.now() - began;
  await page.focus(".timeline");
  const before = await shown(page);
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction((t) => Date.parse(document.querySelector(".time").textContent.replace(" ", "T")) >= t, before + 8000);

  // The gap says what it is.
  await page.mouse.move(box.x + (((from + to) / 2 - low) / (high - low)) * box.width, box.y + box.height - 20);
  await page.waitForFunction(() => /not recorded for [0-9]+ s, the /.test(document.querySelector(".tip").textContent));
  await shot("gap");

  // What is kept says so, and why. The timeline asks anew every few seconds.
  const lock = await page.request.post(new URL(`/api/v1/cameras/${want.play}/locks`, want.url).href, { data: { from: (from - 5000) / 1000, to: from / 1000, note: "evidence" } });
  assert.equal(lock.status(), 201, await lock.text());
  const late = Date.now() + patience;
  for (let i = 0; !/Kept: evidence/.test(await page.textContent(".tip")); i++) {
    assert.ok(Date.now() < late, `the timeline does not say that it is kept: ${await page.textContent(".tip")}`);
    await page.mouse.move(box.x + x + (i % 2), box.y + box.height - 20);
    await page.waitForTimeout(300);
  }
  if (want.thumbnails) {
    await page.mouse.move(box.x + x, box.y + box.height - 20);
    await page.waitForFunction(() => document.querySelector(".tip img:not([hidden])")?.naturalWidth > 0);
    await shot("thumbnail");
  }

  // Faster.
  await page.selectOption("select", "4");
  await page.waitForFunction(() => document.querySelector(".camera video").playbackRate === 4);
  await page.selectOption("select", "1");

  // The calendar has the day.
  await page.click(".day");
  await page.waitForSelector(".days .has");
  await shot("calendar");
  await page.keyboard.press("Escape");

  // Export across the gap.
  const mark = async (t, label) => {
    await page.mouse.click(box.x + ((t - low) / (high - low)) * box.width, box.y + box.height - 20);
    await page.waitForFunction((t) => Math.abs(Date.parse(document.querySelector(".time").textContent.replace(" ", "T")) - t) < 2500, t);
    await page.click(`text=${label}`);
  };
  await mark(from - 2500, "Mark start");
  await mark(to + 1500, "Mark end");
  await page.click(".export .primary");
  const link = page.locator(".exports a").first();
  await link.waitFor();
  await shot("export");
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  measured.file = path.join(want.download, download.suggestedFilename());
  await download.saveAs(measured.file);

  // The marked stretch is kept, with its reason, until it is unlocked; that is asked twice.
  await page.fill("input[aria-label='Why this stretch is kept']", "case 7");
  await page.click("text=/^Keep$/");
  const kept = page.locator(".locks li", { hasText: "case 7" });
  await kept.waitFor();
  await page.locator(".locks li", { hasText: "evidence" }).waitFor();
  await shot("kept");
  await page.emulateMedia({ colorScheme: "light" });
  await shot("kept-light");
  await page.emulateMedia({ colorScheme: "dark" });
  await kept.locator("text=Unlock").click();
  assert.equal(await kept.count(), 1, "one press unlocks");
  await kept.locator("text=Limits may remove it then").click();
  await kept.waitFor({ state: "detached" });
  assert.equal(await page.locator(".locks li", { hasText: "evidence" }).count(), 1);

  // Telephone sound is heard, recorded and live.
  if (want.telephone) {
    await page.evaluate(([name, t]) => (location.hash = `#/camera/${name}?t=${t}`), [want.telephone, (to - 2000) / 1000]);
    await page.waitForFunction((name) => document.querySelector(".camera h1")?.textContent === name, want.telephone);
    await moves(page, ".camera video", 25);
    await sounds(page);
    // An export of it has a sound that players know.
    assert.ok(await page.isChecked("label:has-text('Sound as AAC') input"));
    await page.keyboard.press("i");
    await moves(page, ".camera video", 50);
    await page.keyboard.press("o");
    await page.click(".export .primary");
    const exported = page.locator(".exports a").first();
    await exported.waitFor();
    await shot("telephone");
    const [saved] = await Promise.all([page.waitForEvent("download"), exported.click()]);
    measured.telephone = path.join(want.download, `telephone-${saved.suggestedFilename()}`);
    await saved.saveAs(measured.telephone);
    await page.keyboard.press("l");
    await page.waitForSelector('.camera[data-mode="live"]');
    await moves(page, ".camera video", 25);
    await sounds(page);
    await page.evaluate((name) => (location.hash = `#/camera/${name}`), want.play);
    await page.waitForFunction((name) => document.querySelector(".camera h1")?.textContent === name, want.play);
  }

  // Back to live, by key.
  await page.keyboard.press("l");
  await page.waitForSelector('.camera[data-mode="live"]');
  await moves(page, ".camera video", 25);

  // On a phone.
  await page.setViewportSize({ width: 390, height: 844 });
  await fits(page, 390);
  await shot("camera-390");
  await page.click(".back");
  for (const name of want.cameras) await moves(page, `.tile[data-camera="${name}"] video`, 1);
  await fits(page, 390);
  await shot("grid-390");

  // Everything that can be pressed has a name.
  for (const hash of ["#/", `#/camera/${want.play}`]) {
    await page.evaluate((h) => (location.hash = h), hash);
    await page.waitForTimeout(300);
    const nameless = await page.$$eval("button, a, select, input", (all) => all.filter((e) => !(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.[0]?.textContent.trim())).map((e) => e.outerHTML));
    assert.deepEqual(nameless, []);
  }
}
