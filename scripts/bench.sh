#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# bench.sh FILE: runs every benchmark, one package after the other so that none
# disturbs another, and keeps what they say in FILE.
set -eu

out=$1
{
	echo "# $(git describe --tags --always --dirty 2>/dev/null || echo unknown), $(uname -srm), $(nproc) CPUs, $(date -u +%Y-%m-%dT%H:%MZ)"
	XP2P_BIN=$PWD/bin "${GO:-go}" test -p 1 -timeout 60m -run '^$' -bench . -benchmem ./... || echo FAILED
} >"$out.tmp" 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null || :' INT TERM
tail -n +1 -f --pid=$pid "$out.tmp" &
wait $pid || :
wait
if grep -q '^FAILED$' "$out.tmp"; then
	echo "A benchmark failed; its output is in $out.tmp." >&2
	exit 1
fi
mv "$out.tmp" "$out"
echo "The numbers are in $out."
