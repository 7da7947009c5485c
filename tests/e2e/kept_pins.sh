#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# kept_pins.sh COMMAND...: runs an application three times, and a fourth after its program's file was damaged, with one
# directory for its pins.
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
for _ in 1 2 3; do "$@" "$directory/pins"; done
printf x >>"$(echo "$directory"/pins/*.prog)"
"$@" "$directory/pins" 2>&1 | sed "s,$directory/,,"
