#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# install_test.sh BUILD-DIR FIREWALL-OBJECT [CMAKE-ARGUMENT...]: installs the library into a folder of its own, then
# configures, builds and tests the project that stands beside this script against it.
set -eu
build=$1 firewall=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/prefix" --component library >"$work/log" || { cat "$work/log"; exit 1; }

# Public headers only, and not one of them names a private one.
if find "$work/prefix/include" -type f ! -path '*/include/forager/*.h' | grep .; then
  echo "these files are not public headers"
  exit 1
fi
if grep -rnE '^#include "' "$work/prefix/include" | grep -v '"forager/'; then
  echo "a public header includes a private one"
  exit 1
fi

# A cross build looks for packages below its roots only, so the prefix is one of them.
cmake -S "$here" -B "$work/build" -G Ninja "-DCMAKE_PREFIX_PATH=$work/prefix" "-DCMAKE_FIND_ROOT_PATH=$work/prefix" \
  "-DEXAMPLES=$here/.." "-DFIREWALL=$firewall" "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cmake --build "$work/build" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cd "$work/build"
ctest --output-on-failure --no-tests=error
