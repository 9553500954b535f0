#!/bin/sh
# Builds and runs wrong.cc in the folder $1.
set -eu
cd "$(dirname "$0")"
for cxx in ${CXX:-} c++ g++ clang++ clang++-16; do
	command -v "$cxx" >/dev/null && break
done
"$cxx" -std=c++17 -O1 -ffp-contract=off -fno-exceptions -U_FORTIFY_SOURCE -w -x c++ wrong.cc ../emulator/groups.cc -o "$1/wrong"
"$1/wrong"
