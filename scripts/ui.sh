#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds the page of the recorder, web/ui, into web/ui/dist/app, from where the program
# embeds it. It does nothing where that is newer than its sources.
set -eu
cd "$(dirname "$0")/../web/ui"

if ! command -v npm >/dev/null; then
	echo "The page is left out, since there is no npm here: apt-get install -y nodejs npm, or make deps." >&2
	exit 0
fi
built=dist/app/index.html
if [ -e "$built" ] && [ -z "$(find src public index.html package-lock.json vite.config.js tsconfig.json -newer "$built" -print -quit)" ]; then
	exit 0
fi
# What npm ci installed last is of this lock file, or it is installed anew.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
	npm ci --no-audit --no-fund --loglevel=error
fi
npm run --silent build
# A source that was changed while it was built is built again the next time.
[ -e "$built" ]
