# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the tests of the command line are written in; sourced. $forager is the command.
: "${forager:?the test names the command}"
failures=0 cases=0

# expect STATUS TEXT COMMAND...: runs forager with the arguments; its whole output must hold TEXT.
expect() {
  local status=$1 text=$2 output got
  shift 2
  cases=$((cases + 1))
  output=$("$forager" "$@" 2>&1)
  got=$?
  if [[ $got -ne $status || $output != *"$text"* ]]; then
    failures=$((failures + 1))
    printf 'FAILED: forager %s\n  wanted status %s and: %s\n  got status %s and: %s\n' "$*" "$status" "$text" "$got" "$output"
  fi
}

# one_line COMMAND...: an error is one line on standard error, and nothing on standard output.
one_line() {
  cases=$((cases + 1))
  "$forager" "$@" >out.txt 2>err.txt
  if [[ -s out.txt || $(wc -l <err.txt) -ne 1 ]]; then
    failures=$((failures + 1))
    printf 'FAILED: forager %s: the error is not one line on standard error\n' "$*"
    cat out.txt err.txt
  fi
}

# holds COMMAND...: the command, which is not forager's, succeeds.
holds() {
  cases=$((cases + 1))
  if ! "$@"; then
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$*"
  fi
}

# The last line of a test.
summary() {
  printf '%s cases, %s failed\n' "$cases" "$failures"
  [[ $failures -eq 0 ]]
}
