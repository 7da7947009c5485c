#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# synth_report_test.sh HW: report.awk makes its rows of what Yosys prints, and none of a log that is not whole.
set -euo pipefail
report=$1/synth/report.awk
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
  echo "$*"
  exit 1
}

cat >"$scratch/log" <<'END_OF_LOG'
AREA core
        9 cells
        1   LUT2
       20   LUT6
        3   FDRE
        2   RAM64M
        1   SRL16E
AREA device
       99 cells
      100   LUT2
    1 modules
      900 cells
        5   DSP48E1
       12   FDSE
      300   LUT3
       40   LUT6
        7   RAMB36E1
        1   RAMB18E1
       10   CARRY4
PATH core
Latest arrival time in 'core' is 4709:
    4709 (<unknown>)
    4709 a (LUT6.I5->O)
           $net
    4582 b (CARRY4.CI->O)
Warning: Endpoint x has no value.
PATH device
Latest arrival time in 'device' is 7432:
    7432 c (LUT5.I4->O)
END_OF_LOG
want='| tiny | core | 21 | 9 | 3 | 0 | 0 | 4.71 | 2 |
| tiny | device | 340 | 0 | 12 | 7.5 | 5 | 7.43 | 1 |'
got=$(awk -v config=tiny -f "$report" "$scratch/log")
[[ $got == "$want" ]] || fail "rows: $got"

sed '/^PATH device/,$d' "$scratch/log" >"$scratch/cut"
if awk -v config=tiny -f "$report" "$scratch/cut" >"$scratch/said" 2>&1; then fail "a log that was cut off is taken"; fi
grep -q 'no area or path of the device' "$scratch/said" || fail "said: $(<"$scratch/said")"
