#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# configs_test.sh HW: configs.awk reads the configurations there are, and refuses what it does not understand.
set -euo pipefail
cd "$1"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
  echo "$*"
  exit 1
}

awk -f configs.awk configs.yaml | grep -q '^default -GThreads=' || fail "no default configuration"

cat >"$scratch/good.yaml" <<'YAML'
# said

one: {Threads: 4}
two_b: {Threads: 8, Slots: 16}
YAML
[[ $(awk -f configs.awk "$scratch/good.yaml") == $'one -GThreads=4\ntwo_b -GThreads=8 -GSlots=16' ]] ||
  fail "good.yaml is read as: $(awk -f configs.awk "$scratch/good.yaml")"

for line in 'one:' 'one: {}' 'one: {Threads: four}' 'one: {Threads: 4' ' one: {Threads: 4}' 'one: {Threads: 4; rm: 1}'; do
  printf '%s\n' "$line" >"$scratch/bad.yaml"
  if awk -f configs.awk "$scratch/bad.yaml" >/dev/null 2>"$scratch/said"; then fail "taken: $line"; fi
  grep -q 'bad.yaml:1: ' "$scratch/said" || fail "said of '$line': $(<"$scratch/said")"
done
