#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# compare.sh forager|kernel PROGRAM EXPECTED: runs PROGRAM and compares what it prints. On the kernel it runs in a network
# namespace of its own, since it attaches to the loopback interface; where that is not allowed the test is skipped (77).
set -eu
variant=$1 program=$2 expected=$3
printed=$(mktemp)
trap 'rm -f "$printed"' EXIT

case $variant in
forager) "$program" >"$printed" || { cat "$printed"; exit 1; } ;;
kernel)
  unshare --net true 2>/dev/null || { echo "skipped: not allowed to make a network namespace"; exit 77; }
  unshare --net "$program" >"$printed" || {
    cat "$printed"
    grep -q 'Operation not permitted' "$printed" && exit 77
    exit 1
  }
  ;;
esac
diff -u "$expected" "$printed"
