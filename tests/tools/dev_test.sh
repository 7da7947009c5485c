#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What of `dev` can be tested without installing or building: its words, its version checks, what it says when it may
# not install, how a failed step ends, and how a changed header makes clang-tidy read a file again.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
export LC_ALL=C.UTF-8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# expect STATUS TEXT COMMAND...: the command, in a subshell, ends with STATUS and says TEXT.
expect() {
  local status=$1 text=$2 output got=0
  shift 2
  output=$("$@" 2>&1 </dev/null) || got=$?
  if ((got == status)) && [[ $output == *"$text"* ]]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf '%s\n  expected status %s and "%s"; got status %s:\n%s\n' "$*" "$status" "$text" "$got" "$output"
  fi
}

# with PART FUNCTION ARGUMENT...: the function from tools/dev, where nobody is root and sudo refuses.
with() {
  # shellcheck source=/dev/null
  for part in say "$1"; do . "tools/dev/$part.sh"; done
  is_root() { false; }
  sudo() { return 1; }
  "${@:2}"
}

tool() {
  printf '#!/bin/sh\necho "%s"\n' "$2" >"$work/$1"
  chmod +x "$work/$1"
}
PATH=$work:$PATH
tool old_compiler 'old_compiler (Debian 11.4.0-1) 11.4.0'
tool new_emulator 'new_emulator64 version 7.2.0'
tool mute_tool ''

expect 0 'usage: ./dev VERB' ./dev
expect 0 'usage: ./dev VERB' ./dev --help
expect 2 "unknown verb 'frobnicate'" ./dev frobnicate
expect 2 "unknown verb 'frobnicate'" ./dev packages frobnicate
expect 0 'clang-tidy-19' ./dev packages lint
while read -r verb; do
  expect 0 "  $verb " ./dev help
done < <(sed -n 's/^verb_\([a-z0-9]*\)() {.*/\1/p' dev)

expect 0 '' with packages at_least 3.25.1 3.25
expect 0 '' with packages at_least 3.25 3.9
expect 1 '' with packages at_least 3.9 3.25
expect 1 '' with packages at_least 11.4.0 12
expect 0 '' with packages check_tool new_emulator 7 'new_emulator --version'
expect 1 'new_emulator 7.2.0 found; version 8 or newer' with packages check_tool new_emulator 8 'new_emulator --version'
expect 1 'old_compiler 11.4.0 found; version 12 or newer' with packages check_tool old_compiler 12 'old_compiler -v'
expect 1 'of unknown version found; version 1 or newer' with packages check_tool mute_tool 1 mute_tool
expect 1 'no_such_tool not found; version 3 or newer' with packages check_tool no_such_tool 3 'no_such_tool -v'
expect 1 'apt-get install --no-install-recommends one two' with packages install_packages one two
expect 0 'no-such-package' with packages missing_packages bash no-such-package

expect 0 'dev: quiet ... ' with say step quiet "$work/log" true
expect 3 "loud failed (exit status 3); the whole log: $work/log" with say step loud "$work/log" sh -c 'exit 3'
expect 1 'the reason' with say step loud "$work/log" sh -c 'echo the reason; exit 1'
expect 1 'FAILED: first' with say step ninja "$work/log" sh -c 'echo "FAILED: first"; seq 50; exit 1'

# clang-tidy keys: a tree of one source and one header, and a stand-in for Ninja's dependency log.
keys_of_header() {
  cd "$work"
  mkdir -p build host
  printf '%s\n' "$1" >host/a.h
  printf 'int main() {}\n' >host/a.cc
  : >.clang-tidy
  tool clang-tidy-19 'version 19'
  ninja() { printf 'a.o: #deps 3, deps mtime 1 (VALID)\n    %s\n' "$work/host/a.cc" /usr/include/stdio.h "$work/host/a.h"; }
  printf '"command": "c++ %s",\n"file": "%s"\n' "${2:-}" "$work/host/a.cc" >build/compile_commands.json
  mkdir -p tools/dev && : >tools/dev/tidy_one.sh
  tidy_keys build
}
expect 0 host/a.cc with lint keys_of_header "int one();"
one=$(with lint keys_of_header 'int one();')
expect 0 "$one" with lint keys_of_header 'int one();'
two=$(with lint keys_of_header 'int two();')
expect 0 "$two" with lint keys_of_header 'int two();'
expect 1 '' test "$one" == "$two"
three=$(with lint keys_of_header 'int two();' -O2)
expect 1 '' test "$two" == "$three"

# Joined benchmark results are one well-formed file, whichever executables had no row to give.
results() { printf '{\n  "context": {\n    "date": "%s"\n  },\n  "benchmarks": [\n%s\n  ]\n}\n' "$1" "$2"; }
row() { printf '    {\n      "name": "%s"\n    }' "$1"; }
results first "$(row a),"$'\n'"$(row b)" >"$work/one.json"
results second "$(row c)" >"$work/two.json"
: >"$work/none.json"
expect 0 "$(results first "$(row a),"$'\n'"$(row b),"$'\n'"$(row c)")" \
  with bench join_json "$work/none.json" "$work/one.json" "$work/two.json"

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
