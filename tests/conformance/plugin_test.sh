#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The plug-in's protocol, as the public suite speaks it: plugin_test.sh PLUGIN CLANG
set -euo pipefail

plugin=$1
clang=$2
failed=0

# expect NAME STATUS OUTPUT-PATTERN INPUT [ARGUMENT...]: output and errors together.
expect() {
  local name=$1 status=$2 pattern=$3 input=$4 output got=0
  shift 4
  output=$(printf '%s' "$input" | "$plugin" "$@" 2>&1) || got=$?
  # shellcheck disable=SC2053  # the right side is a pattern
  if [[ $got -ne $status || $output != $pattern ]]; then
    echo "FAILED $name: status $got, output '$output'; expected $status, '$pattern'"
    failed=1
  fi
}

# r0 = -2; exit
minus_two='b7 00 00 00 fe ff ff ff  95 00 00 00 00 00 00 00 '
# r0 = *(u16 *)(r1 +1); exit
load='69 10 01 00 00 00 00 00 95 00 00 00 00 00 00 00'
# r0 = r2; exit
length='bf 20 00 00 00 00 00 00 95 00 00 00 00 00 00 00'

expect 'r0 in hex, 64 bits' 0 'fffffffffffffffe' "$minus_two"
expect 'bytes without spaces' 0 'fffffffffffffffe' "${minus_two// /}"
expect 'an empty option' 0 'fffffffffffffffe' "$minus_two" '' ''
expect 'memory' 0 '2211' "$load" '00  11  22  '
expect 'memory and options after it' 0 '3' "$length" '00 11 22' --debug --backend=interp
expect 'options before memory' 0 '3' "$length" --backend interp '00 11 22'
expect 'program as an argument' 0 '3' '' --program "$length" '00 11 22'
expect 'no memory' 0 '0' "$length"
expect 'no program' 1 '*the program is empty*' ''
expect 'half an instruction' 1 '*no whole number of 8-byte instructions*' '95 00 00'
expect 'no hex' 1 "*'zz' is not bytes in hex*" 'zz'
expect 'no instruction' 1 '*unknown opcode 0xff, at instruction 0*' 'ff 00 00 00 00 00 00 00'
expect 'an indirect call' 1 '*indirect calls are refused*' '8d 00 00 00 00 00 00 00 95 00 00 00 00 00 00 00'
expect 'a bad access' 1 '*at instruction 0*' "$load"
expect 'an unknown backend' 2 "*no backend is called 'nonsense'*" "$length" --backend=nonsense
expect 'an unknown option' 2 "*unexpected argument '--nonsense'*" "$length" --nonsense

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'unsigned long f(unsigned char *memory, unsigned long length) { return memory[1] + length; }' |
  "$clang" -target bpf -O2 -x c -c - -o "$work/text.o"
expect 'an ELF object in hex' 0 '13' "$(od -An -v -tx1 "$work/text.o")" '00 11' --elf
expect 'not an ELF object' 1 '*not a BPF ELF object*' "$minus_two" --elf
if [[ $("$plugin" --elf '00 11' <"$work/text.o") != 13 ]]; then
  echo 'FAILED an ELF object as it is'
  failed=1
fi
exit $failed
