#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# compare.sh forager|kernel EXPECTED COMMAND...: runs COMMAND and compares what it prints. On the kernel it runs in a
# network namespace of its own, since it attaches to the loopback interface; where the kernel does not allow the one or
# the other, the test is skipped (77) and says why.
set -eu
variant=$1 expected=$2
shift 2
printed=$(mktemp)
trap 'rm -f "$printed"' EXIT

if [ "$variant" = kernel ]; then
  unshare --net true 2>/dev/null || { echo "skipped: not allowed to make a network namespace"; exit 77; }
  set -- unshare --net "$@"
fi
if ! "$@" >"$printed"; then
  cat "$printed"
  if [ "$variant" = kernel ] && grep -Eq 'Operation not permitted|Function not implemented' "$printed"; then
    echo "skipped: the kernel does not allow bpf(2)"
    exit 77
  fi
  exit 1
fi
diff -u "$expected" "$printed"
