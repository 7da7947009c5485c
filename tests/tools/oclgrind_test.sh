#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# oclgrind.sh finds what it is there for: kernels with planted errors, one of each kind, and how it ends for the rest.
#
#   oclgrind_test.sh PLANTED_KERNELS FORAGER RACES_OBJECT CAPTURE
set -u
planted=$1 forager=$2 races=$3 capture=$4
script=$(dirname "$(realpath "${BASH_SOURCE[0]}")")/oclgrind.sh
failures=0 cases=0

# expect STATUS PATTERN COMMAND...: what oclgrind.sh says of the command.
expect() {
  local status=$1 pattern=$2 output got
  shift 2
  cases=$((cases + 1))
  output=$(bash "$script" "$@" 2>&1)
  got=$?
  if ((got == 77)); then
    echo "$output"
    exit 77
  fi
  if [[ $got -ne $status || $output != *$pattern* ]]; then
    failures=$((failures + 1))
    printf 'FAILED: oclgrind.sh %s\n  wanted status %s and: %s\n  got status %s and: %s\n' "$*" "$status" "$pattern" "$got" "$output"
  fi
}

expect 0 "oclgrind.sh: nothing found; declared races that came to pass: 0" "$planted" fine
expect 1 "Invalid write of size 8 at global memory" "$planted" writes_outside
expect 1 "Invalid read of size 8 at global memory" "$planted" reads_outside
expect 1 "Uninitialized value written to global memory" "$planted" reads_unwritten
expect 1 "data race at global memory" "$planted" races
expect 0 "declared races that came to pass: [1-9]" "$planted" races_as_declared
expect 1 "Invalid write of size 8 at global memory" "$planted" is_declared_and_wrong
expect 1 "oclgrind.sh: 1 findings" "$planted" fine writes_outside fine  # none is lost behind another context

# a BPF program that races, on as many lanes as there are and in order
on_simulator=("$forager" run "$races" --pcap "$capture" --backend opencl)
expect 1 "data race at global memory" "${on_simulator[@]}" --order none
expect 0 "nothing found" "${on_simulator[@]}"

expect 1 "tests were skipped" echo '[  SKIPPED ] OpenclDevice.Runs'
expect 3 "ends with status 3" "$planted" no_such_kernel
expect 7 "ends with status 7" bash -c 'exit 7'
expect 2 "usage: oclgrind.sh COMMAND"

echo "$cases cases, $failures failed"
((failures == 0))
