# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# How dev talks: short lines on standard error ("dev: build release ... 12.3 s"), so that a verb's own output on
# standard output stays clean. A step's full output goes to a log, whose tail is shown when the step fails.

note() { printf 'dev: %s\n' "$*" >&2; }

# die STATUS MESSAGE...
die() {
  local status=$1
  shift
  note "error: $*"
  exit "$status"
}

ticker=
stop_ticker() {
  [[ -n $ticker ]] || return 0
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  ticker=
}
trap stop_ticker EXIT
trap 'stop_ticker; printf "\n" >&2; note interrupted; exit 130' INT
trap 'stop_ticker; exit 143' TERM

# On a terminal the running step's last line of output is shown behind its name.
start_ticker() {
  local name=$1 log=$2
  [[ -t 2 ]] || return 0
  while sleep 0.5; do
    printf '\r\033[Kdev: %s ... %s' "$name" "$(tail -n 1 "$log" 2>/dev/null | tr -d '\r\033' | cut -c 1-80)" >&2
  done &
  ticker=$!
}

# seconds_since MICROSECONDS: "12.3"
seconds_since() {
  local tenths=$(((${EPOCHREALTIME/./} - $1) / 100000))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# step NAME LOG COMMAND...: runs the command with its output in LOG; exits with its status if it fails.
step() {
  local name=$1 log=$2 start=${EPOCHREALTIME/./} status=0
  shift 2
  mkdir -p "$(dirname "$log")"
  printf 'dev: %s ... ' "$name" >&2
  start_ticker "$name" "$log"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  stop_ticker
  [[ -t 2 ]] && printf '\r\033[Kdev: %s ... ' "$name" >&2
  if ((status)); then
    printf 'failed after %s s\n' "$(seconds_since "$start")" >&2
    show_failure "$log" >&2
    die "$status" "$name failed (exit status $status); the whole log: $log"
  fi
  printf '%s s\n' "$(seconds_since "$start")" >&2
}

# Ninja goes on with what runs beside a failed command: its first failure, not its last line, is what to read.
show_failure() {
  local log=$1
  if grep -q '^FAILED: ' "$log"; then
    sed -n '/^FAILED: /,$p' "$log" | head -n 60
  else
    tail -n 60 "$log"
  fi
}
