#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Installs the Debian packages that building, testing and the demo need. It does
# nothing where they are all there.
set -eu

# what for: packages. Where a package has a program behind a bar, that program will do,
# wherever it comes from.
needs() {
	cat <<'LIST'
the C side of the GStreamer plugin: gcc libc6-dev pkg-config libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
GStreamer, its tools and the elements used by cameras, viewers and tests: gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-x
media for tests, and a second opinion on what was recorded: ffmpeg
players of the local server's URLs, for tests: vlc-bin vlc-plugin-base curl
an RTSP server, as a camera for tests: python3-gi gir1.2-gst-rtsp-server-1.0
networks with NAT, for tests: nftables iproute2 conntrack
examples of the control socket, and what scripts use: socat jq procps
the page of the recorder, and a browser to test it: nodejs|node npm|npm chromium|chromium
LIST
}

if ! command -v dpkg-query >/dev/null; then
	echo "This is no Debian, so nothing can be installed by itself. What is needed, by its Debian names:" >&2
	needs | sed 's/|[a-z]*//g; s/^/  /' >&2
	echo "Going on with what there is." >&2
	exit 0
fi

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
report=
while IFS= read -r line; do
	why=${line%%: *}
	here=
	for p in ${line#*: }; do
		case $p in *"|"*) ! command -v "${p#*|}" >/dev/null || continue ;; esac
		p=${p%|*}
		installed "$p" || here="$here $p"
	done
	if [ -n "$here" ]; then
		missing="$missing$here"
		report="$report  for $why:$here
"
	fi
done <<LIST
$(needs)
LIST

[ -n "$missing" ] || exit 0

echo "These Debian packages are missing:"
printf '%s' "$report"

sudo=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "Installing them needs root, and there is no sudo here. As root, run:" >&2
		echo "  apt-get update && apt-get install -y --no-install-recommends$missing" >&2
		exit 1
	fi
	sudo=sudo
fi
echo "Installing them with apt-get:"
$sudo apt-get update -q
# shellcheck disable=SC2086 # one argument for each package
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
