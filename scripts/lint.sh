#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# gofmt, go vet and staticcheck, at a version that stays the same.
set -eu

staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.7.0
go=${GO:-go}
ok=true

unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs "$("$go" env GOROOT)/bin/gofmt" -l)
if [ -n "$unformatted" ]; then
	echo "gofmt would change:" >&2
	echo "$unformatted" >&2
	ok=false
fi

"$go" vet ./... || ok=false

if "$go" run "$staticcheck" -version >/dev/null 2>&1; then
	"$go" run "$staticcheck" ./... || ok=false
else
	echo "staticcheck ($staticcheck) cannot be downloaded here: left out." >&2
fi
$ok
