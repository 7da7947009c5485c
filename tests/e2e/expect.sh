#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# expect.sh EXPECTED COMMAND [ARGUMENT...]: the command succeeds, and prints what the file EXPECTED holds.
set -eu
expected=$1
shift
printed=$(mktemp)
trap 'rm -f "$printed"' EXIT
"$@" >"$printed" || { echo "exit status $?: $*"; cat "$printed"; exit 1; }
diff -u "$expected" "$printed"
