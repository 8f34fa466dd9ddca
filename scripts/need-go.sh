#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Says in one sentence what is wrong with this machine's Go, if anything is.
set -eu

want=$(sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' go.mod)
go=${GO:-go}

if ! command -v "$go" >/dev/null; then
	echo "Go $want or later is needed and there is no Go on the PATH: install it from https://go.dev/dl/." >&2
	exit 1
fi
# Asked outside of the module, so that an old Go answers instead of fetching another.
have=$(cd / && GOTOOLCHAIN=local "$go" env GOVERSION | sed 's/^go\([0-9]*\.[0-9]*\).*/\1/')
if [ "$(printf '%s\n%s\n' "$want" "$have" | sort -V | head -n 1)" != "$want" ]; then
	echo "Go $want or later is needed and $(command -v "$go") is Go $have: install a newer one from https://go.dev/dl/." >&2
	exit 1
fi
