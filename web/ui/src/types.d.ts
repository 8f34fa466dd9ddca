// SPDX-License-Identifier: LGPL-2.1-or-later

/** The build of hls.js without subtitles, DRM and further sound tracks, which has no types of its own. */
declare module "hls.js/light" {
  export * from "hls.js";
  export { default } from "hls.js";
}
