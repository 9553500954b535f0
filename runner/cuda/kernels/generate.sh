#!/bin/sh
# Compiles the kernels to PTX, which NVIDIA's driver compiles for the card at
# hand: virtual architecture sm_75, ISA 7.0, which every driver from CUDA 12 on
# loads. With -check, fails where a committed file differs. Needs Debian 12's
# clang-16 (CLANG names another).
set -eu
cd "$(dirname "$0")"
clang=${CLANG:-clang-16}
out=.
if [ "${1:-}" = -check ]; then
	out=$(mktemp -d)
	trap 'rm -rf "$out"' EXIT
fi
for source in *.cu; do
	"$clang" -x cuda --cuda-device-only --cuda-gpu-arch=sm_75 -nocudainc -nocudalib -Wno-unknown-cuda-version -Xclang -target-feature -Xclang +ptx70 \
		-O3 -ffp-contract=off -fno-exceptions -Wall -Wno-unused-function -S "$source" -o "$out/${source%.cu}.ptx"
	[ "$out" = . ] || cmp "$out/${source%.cu}.ptx" "${source%.cu}.ptx" || { echo "run runner/cuda/kernels/generate.sh and commit what it makes" >&2; exit 1; }
done
