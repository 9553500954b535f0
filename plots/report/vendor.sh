#!/bin/sh
# Fetches the one version of uPlot (MIT) that the page embeds, checks its hash
# and leaves it in page/uplot.
set -eu
cd "$(dirname "$0")"
version=1.6.32
sha256=4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "uplot@$version" >/dev/null)
echo "$sha256  $work/uplot-$version.tgz" | sha256sum -c --quiet
tar -xzf "$work/uplot-$version.tgz" -C "$work"
mkdir -p page/uplot
cp "$work/package/dist/uPlot.iife.min.js" "$work/package/dist/uPlot.min.css" "$work/package/LICENSE" page/uplot/
