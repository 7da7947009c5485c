#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# oclgrind.sh COMMAND...: the command, with Oclgrind's simulator as the only OpenCL device. It fails where the command
# does, where the simulator finds something (an access out of bounds, a read of what nobody wrote, a data race, a wrong
# call of OpenCL's), and where a GoogleTest skips what needs a device. Without Oclgrind the exit status is 77: skipped.
#
# A race that is meant is declared in the kernel's source: a comment "races: WHY" in one of the two lines that meet.
#
# What Oclgrind 21.10 cannot do, and what is done about it:
#   - each OpenCL context empties the log file (OCLGRIND_LOG): findings are read from standard error
#   - kernels that were optimised have instructions which it does not know (freeze, llvm.fshl): nothing is optimised,
#     which also keeps accesses that an optimiser would remove
#   - our cache of binaries knows nothing of that option: the command line gets an empty one
#
# Tested by: tests/tools/oclgrind_test.sh.
set -u
if (($# == 0)); then
  echo "usage: oclgrind.sh COMMAND..." >&2
  exit 2
fi
driver=/usr/lib/oclgrind/liboclgrind-rt-icd.so
if [[ ! -e $driver ]]; then
  echo "oclgrind.sh: skipped, $driver is not there: Debian's package oclgrind has it" >&2
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "$driver" >"$work/oclgrind.icd"

# One thread, so that findings come in the same order each time; four units, so that there are lanes to race.
OCL_ICD_VENDORS=$work XDG_CACHE_HOME=$work/cache OCLGRIND_BUILD_OPTIONS=-cl-opt-disable \
  OCLGRIND_DATA_RACES=1 OCLGRIND_UNIFORM_WRITES=1 OCLGRIND_UNINITIALIZED=1 OCLGRIND_CHECK_API=1 \
  OCLGRIND_COMPUTE_UNITS=4 OCLGRIND_NUM_THREADS=1 OCLGRIND_MAX_ERRORS=100000 "$@" >"$work/out" 2>"$work/err"
status=$?

# A finding is a paragraph that names its kernel, or Oclgrind itself.
awk -v RS= -v ORS='\n\n' -v declared_in="$work/declared" -v found_in="$work/found" '
  !/\tKernel: / && !/(^|\n)(OCLGRIND|Oclgrind) / { next }
  /^[A-Za-z-]+ data race / && /\/[\/*] *races: / { declared++; next }
  { print; found++ }
  END { printf "%d", declared >declared_in; printf "%d", found >found_in }' "$work/err" >"$work/findings"
declared=$(<"$work/declared") found=$(<"$work/found")

if ((status != 0)); then
  cat "$work/out"
  head -c 20000 "$work/err"
  echo "oclgrind.sh: the command ends with status $status"
  exit "$status"
fi
if ((found != 0)); then
  head -c 20000 "$work/findings"
  echo "oclgrind.sh: $found findings"
  exit 1
fi
if grep -F '[  SKIPPED ]' "$work/out"; then
  echo "oclgrind.sh: tests were skipped that should run on the simulator"
  exit 1
fi
echo "oclgrind.sh: nothing found; declared races that came to pass: $declared"
