#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tidy_one.sh BUILD PASSED "KEY SOURCE": clang-tidy on one source; PASSED/KEY is made when it has nothing to say.
set -euo pipefail
build=$1 passed=$2
read -r key source <<<"$3"
if output=$(clang-tidy-19 -p "$build" --quiet "$source" 2>/dev/null) && [[ $output != *" warning: "* ]]; then
  : >"$passed/$key"
else
  printf '%s\n' "$output"
  [[ $output == *" error: "* ]] || echo "$source: error: clang-tidy failed without saying why"
  exit 1
fi
