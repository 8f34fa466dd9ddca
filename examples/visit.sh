#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A whole visit to a camera, by command line alone: find it, connect, watch live,
# move it, talk to it, play last minutes' recording and seek in it, fetch a file.
#
#   usage: visit.sh XP2P-INFO-FILE [OUTPUT-DIR]
#
# The camera is on this network and records, for instance:
#
#   xp2p camera --product DEMO --device door --input test: --state cam --lan 127.0.0.1:0 \
#       --record cam/rec --speaker cam/heard.wav --command-hook ./ptz.sh
#   examples/visit.sh cam/xp2p-info visit
#
# XP2P names the program (xp2p), LIVE the seconds to watch (5). Without a camera on
# the own network leave out --lan below and set XP2P_RENDEZVOUS and XP2P_APP.
set -eu

info=$1
out=${2:-visit}
xp2p=${XP2P:-xp2p}
mkdir -p "$out"
say() { printf '\n== %s\n' "$*"; }

say "who may do what with $info"
"$xp2p" grant show "$info"

say "discover"
name=$("$xp2p" grant show "$info" | sed -n 's/^This is an xp2pInfo of the camera \([^ ]*\) .*/\1/p')
where=$("$xp2p" discover --product "${name%/*}" --device "${name#*/}" | cut -d' ' -f2)
echo "$name is at $where"
visit="--xp2p-info $info --lan $where"

# shellcheck disable=SC2086 # $visit is several arguments
{
	say "would it let us watch?"
	"$xp2p" command $visit 'action=inner_define&channel=0&cmd=get_device_st&type=live&quality=high' | jq -r .data

	say "live, ${LIVE:-5} s"
	"$xp2p" pull $visit --params 'action=live&channel=0&quality=high' --seconds "${LIVE:-5}" -o "$out/live.flv"

	say "pan left"
	"$xp2p" command $visit 'action=user_define&cmd=ptz_left' | jq -r .data

	say "talk"
	ffmpeg -nostdin -v error -y -f lavfi -i sine=frequency=880:duration=2 -ar 8000 -ac 1 "$out/hello.wav"
	"$xp2p" talk $visit --input "$out/hello.wav"
}

say "what is recorded"
# Playback is sought in by commands over the connection that plays: `xp2p serve` has one
# for all that ask it.
cat >"$out/serve.yaml" <<YAML
local: 127.0.0.1:0
cameras:
  - xp2p-info: $(realpath "$info")
    lan: $where
YAML
"$xp2p" serve --config "$out/serve.yaml" >"$out/serve.log" &
serve=$!
trap 'kill $serve 2>/dev/null || :' EXIT
while ! grep -q '^serve ready' "$out/serve.log"; do sleep 0.1; done
url=$(sed -n 's/^serve ready //p' "$out/serve.log")$(echo "$name" | tr / _)
ask() { curl -sS -g "$url/command?action=inner_define&channel=0&$1"; }

index=$(ask "cmd=get_record_index&start_time=0&end_time=$(date +%s)")
echo "$index"
start=$(echo "$index" | jq -r '.video_list[0].start_time')
end=$(echo "$index" | jq -r '.video_list[-1].end_time')

say "play it from the beginning, and skip 5 s after a second"
curl -sS -g -o "$out/playback.flv" "$url/ipc.flv?action=playback&channel=0&start_time=$start&end_time=$end" &
play=$!
sleep 1
ask "cmd=playback_seek&time=$((start + 6))"
echo
sleep 1
ask "cmd=playback_speed&speed=8"
echo
wait $play

say "fetch a file"
file=$(ask "cmd=get_file_list&file_type=0&start_time=0&end_time=$(date +%s)" | jq -r '.file_list[0].file_name')
# shellcheck disable=SC2086
"$xp2p" download $visit --file "$file" -o "$out/${file##*/}"

say "done"
for f in "$out"/live.flv "$out"/playback.flv "$out/${file##*/}"; do
	printf '%s: %s s\n' "$f" "$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$f")"
done
