#!/usr/bin/env bash
# Compares fresh random templates with the jinja2 of $PYTHON (default python3):
#
#   runner/chat/jinja/testdata/live.sh [SEED [COUNT]]
set -euo pipefail
cd "$(dirname "$0")"
seed=${1:-$(date +%s)}
file=$(mktemp)
trap 'rm -f "$file"' EXIT
echo "jinja2 against runner/chat/jinja, seed $seed"
"${PYTHON:-python3}" fuzz.py "$seed" "${2:-400}" > "$file"
cd ..
HEADPROF_JINJA_LIVE=$file go test -count=1 -run TestLive -v .
