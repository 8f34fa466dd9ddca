#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# fuzz.sh TIME: runs each fuzz target that there is for TIME. What it finds stays
# in the target's testdata/fuzz.
set -eu

time=$1
failed=
for file in $(git ls-files -co --exclude-standard '*_test.go'); do
	dir=$(dirname "$file")
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		echo "== ./$dir $target"
		"${GO:-go}" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "./$dir" || failed="$failed ./$dir:$target"
	done
done
if [ -n "$failed" ]; then
	echo "These targets failed:$failed" >&2
	exit 1
fi
