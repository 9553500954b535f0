#!/usr/bin/env bash
# Builds a release: archives for six platforms, man pages and shell completions in
# each, an SBOM, checksums. The same commit and Go version give the same bytes.
#
#   docs/release.sh VERSION DIR     (needs Go, GNU tar, gzip, Python 3)
#   docs/release.sh --check DIR     builds twice, from two folders, and compares
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
usage() { echo "usage: $0 VERSION DIR | --check DIR" >&2; exit 2; }
[ $# = 2 ] || usage

if [ "$1" = --check ]; then
  mkdir -p "$2"
  out=$(cd "$2" && pwd)
  other=$(mktemp -d)
  trap 'rm -rf "$other"' EXIT
  git -C "$root" ls-files -z | tar -C "$root" --null -T - -cf - | tar -C "$other" -xf -
  SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct)
  export SOURCE_DATE_EPOCH
  PLATFORMS=${PLATFORMS-} "$root/docs/release.sh" v0.0.0 "$out/a"
  PLATFORMS=${PLATFORMS-} GOFLAGS=-p=1 "$other/docs/release.sh" v0.0.0 "$out/b"
  diff -r "$out/a" "$out/b"
  (cd "$out/a" && sha256sum -c --quiet SHA256SUMS)
  echo "two builds are equal, byte for byte"
  exit
fi

version=$1
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || { echo "$version is not of the form v1.2.3" >&2; exit 2; }
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$root"
export CGO_ENABLED=0 TZ=UTC LC_ALL=C SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-trimpath -buildvcs=false -ldflags "-s -buildid= -X main.release=$version")

# Man pages and completions come from the command tree.
go build -tags man "${flags[@]}" -o "$work/headprof" ./cmd/headprof
mkdir -p "$work/man" "$work/completions"
"$work/headprof" man "$work/man"
"$work/headprof" completion bash >"$work/completions/headprof.bash"
"$work/headprof" completion zsh >"$work/completions/_headprof"
"$work/headprof" completion fish >"$work/completions/headprof.fish"
"$work/headprof" completion powershell >"$work/completions/headprof.ps1"

for platform in ${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}; do
  os=${platform%/*} arch=${platform#*/}
  name=headprof-$version-$os-$arch
  dir=$work/$name
  mkdir "$dir"
  exe=headprof
  [ "$os" = windows ] && exe=headprof.exe
  GOOS=$os GOARCH=$arch go build "${flags[@]}" -o "$dir/$exe" ./cmd/headprof
  cp -r LICENSE README.md "$work/man" "$work/completions" "$dir"
  if [ "$os" = windows ]; then
    python3 - "$work" "$name" "$out/$name.zip" "$SOURCE_DATE_EPOCH" <<'P'
import os, sys, time, zipfile
base, name, path, epoch = sys.argv[1:]
date = time.gmtime(int(epoch))[:6]
files = sorted(os.path.join(d, f) for d, _, fs in os.walk(os.path.join(base, name)) for f in fs)
with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
    for f in files:
        info = zipfile.ZipInfo(os.path.relpath(f, base), date)
        info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 3
        info.external_attr = (0o755 if f.endswith(".exe") else 0o644) << 16
        z.writestr(info, open(f, "rb").read())
P
  else
    tar -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX --format=ustar -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
  fi
  rm -rf "$dir"
done

# The SBOM (CycloneDX) lists what is linked into any of the binaries.
go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}' ./cmd/headprof >"$work/modules"
for os in darwin windows; do
  GOOS=$os go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}' ./cmd/headprof >>"$work/modules"
done
sort -u "$work/modules" | sed '/^$/d' >"$work/linked"
python3 - "$work/linked" "$version" "$(go env GOVERSION)" "$root/go.sum" >"$out/headprof-$version.cdx.json" <<'P'
import base64, json, sys
linked, version, go, sums = sys.argv[1:]
hashes = {}
for line in open(sums):
    path, v, h = line.split()
    if not v.endswith("/go.mod"):
        hashes[path, v] = base64.b64decode(h.removeprefix("h1:")).hex()
components = []
for line in open(linked):
    path, v = line.split()
    c = {"type": "library", "name": path, "version": v, "purl": f"pkg:golang/{path}@{v}", "bom-ref": f"pkg:golang/{path}@{v}"}
    c["hashes"] = [{"alg": "SHA-256", "content": hashes[path, v]}]  # Go's h1: over the module's files
    components.append(c)
v = go.removeprefix("go")
components.append({"type": "library", "name": "std", "version": v, "purl": f"pkg:golang/std@{v}", "bom-ref": f"pkg:golang/std@{v}"})
root = f"pkg:golang/headprof@{version}"
json.dump({
    "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
    "metadata": {"component": {"type": "application", "name": "headprof", "version": version, "purl": root, "bom-ref": root}},
    "components": components,
    "dependencies": [{"ref": root, "dependsOn": [c["bom-ref"] for c in components]}],
}, sys.stdout, indent=1)
print()
P

cd "$out"
rm -f SHA256SUMS
sha256sum headprof-* >"$work/sums"
mv "$work/sums" SHA256SUMS
cat SHA256SUMS
