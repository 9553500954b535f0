#!/bin/sh
# Builds the emulated CUDA device, a library with the functions of NVIDIA's
# driver that headprof calls and the kernels compiled for this machine:
#
#     runner/cuda/emulator/build.sh LIBRARY
#
# Needs a C++ compiler (CXX, else c++, g++, clang++ or clang++-16) on Linux.
set -eu
out=$1
here=$(cd "$(dirname "$0")" && pwd)
for cxx in ${CXX:-} c++ g++ clang++ clang++-16; do
	command -v "$cxx" >/dev/null && break
done
case $(uname -m) in
x86_64) arch="-mfma -mavx2" ;;
*) arch= ;;
esac
# Sums must round as they are written, and longjmp between stacks is meant.
# shellcheck disable=SC2086
"$cxx" -std=c++17 -O2 $arch -ffp-contract=off -fno-exceptions -fno-rtti -U_FORTIFY_SOURCE -fvisibility=hidden -fPIC -shared -Wall -Wno-unknown-pragmas -Wno-unused \
	-x c++ "$here"/*.cc "$here"/../kernels/*.cu -o "$out" -lm -lpthread
