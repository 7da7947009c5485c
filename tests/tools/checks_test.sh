#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The checks of this folder can fail: each case is a small tree, good but for one thing, and the complaint that the
# check must make about it.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# file PATH LINE...: a file of the tree under test.
file() {
  mkdir -p "$tree/$(dirname "$1")"
  printf '%s\n' "${@:2}" >"$tree/$1"
}

good_tree() {
  tree=$work/tree
  rm -rf "$tree"
  file host/include/forager/result.h "$spdx" '#include <expected>'
  file host/isa/isa.h "$spdx" '#include "forager/result.h"'
  file host/maps/map.cc "$spdx" '#include <bpf/bpf.h>' '#include "isa/isa.h"' '#include "maps/map.h"'
  file jit-backends/linux/backend.cc "$spdx" '#include "jit-backends/common/code.h"'
}

# expect CHECK STATUS TEXT: run on the tree, the check ends with STATUS, and TEXT is in what it says.
expect() {
  local check=$1 status=$2 text=$3 output got=0
  output=$(bash "$here/$check" "$tree" 2>&1) || got=$?
  if ((got == status)) && [[ $output == *"$text"* ]]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf '%s: expected status %s and "%s"; got status %s:\n%s\n' "$check" "$status" "$text" "$got" "$output"
  fi
}

# broken CHECK TEXT PATH LINE...: the good tree with one more file draws the complaint.
broken() {
  good_tree
  file "${@:3}"
  expect "$1" 1 "$2"
}

spdx='// SPDX-License-Identifier: Apache-2.0'
many_lines=$(seq 500)

good_tree
expect check_layers.sh 0 'every include goes down'
expect check_files.sh 0 'in order'

broken check_layers.sh 'host/isa/up.cc:1: "runtime/runtime.h" is on level' host/isa/up.cc '#include "runtime/runtime.h"'
broken check_layers.sh 'is on level' host/isa/up.h '  #  include <exec/map.h>'
broken check_layers.sh 'is on level' host/isa/up.def '#include "forager/runtime.h"'
broken check_layers.sh 'is a peer' host/maps/hash.cc '#include "helpers/map_helpers.h"'
broken check_layers.sh 'is a peer' jit-backends/x86_64/backend.cc '#include "jit-backends/arm64/emit.h"'
broken check_layers.sh 'is a peer' jit-backends/linux/device.cc '#include "interp/interp.h"'
broken check_layers.sh 'not a relative one' host/maps/array.cc '#include "../isa/isa.h"'
broken check_layers.sh 'in no layer' host/maps/array.cc '#include "bpf/bpf.h"'
broken check_layers.sh 'no row' host/novel/array.cc '#include <vector>'

broken check_files.sh 'host/isa/bare.cc: no SPDX' host/isa/bare.cc 'int x;'
broken check_files.sh 'host/isa/long.cc: 501 lines; limit 500' host/isa/long.cc "$spdx" "$many_lines"
broken check_files.sh '<fmt/core.h>, which is not the standard' host/include/forager/a.h "$spdx" '#include <fmt/core.h>'
broken check_files.sh '<zlib.h>, which is not the standard' host/include/forager/a.h "$spdx" '#include <zlib.h>'
broken check_files.sh '"isa/isa.h", which is not public' host/include/forager/a.h "$spdx" '#include "isa/isa.h"'
broken check_files.sh '"forager/gone.h", which is not' host/include/forager/a.h "$spdx" '#include "forager/gone.h"'

good_tree
for name in a b c d e; do file "host/include/forager/$name.h" "$spdx"; done
expect check_files.sh 1 '6 public headers; limit 5'

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
