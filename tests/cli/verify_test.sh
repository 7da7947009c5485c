#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# forager prog verify: the verdicts on objects of many kinds, the forms of the answer, wrong input.
#
#   verify_test.sh FORAGER PROGRAMS CAPTURES
set -u
forager=$1 programs=$2 captures=$3
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
# shellcheck source=tests/cli/expect.sh
source "$here/expect.sh"

# one_document COMMAND...: standard output is one line of JSON, and standard error is empty.
one_document() {
  cases=$((cases + 1))
  "$forager" "$@" >out.txt 2>err.txt
  if [[ -s err.txt || $(wc -l <out.txt) -ne 1 ]]; then
    failures=$((failures + 1))
    printf 'FAILED: forager %s: not one document\n' "$*"
    cat out.txt err.txt
  fi
}

# Every example program, and one object for each kind of map and place that cannot run yet.
for object in "$programs"/xdp*.bpf.o \
  "$programs"/verify/{callbacks,fields,functions,inner_maps,queues,sections,targets}.bpf.o; do
  expect 0 "accepted" prog verify "$object"
done

firewall=$programs/xdp_simple_firewall.bpf.o
expect 0 "xdp_simple_firewall (xdp): accepted" prog verify "$firewall"
expect 0 " processed; " prog verify "$firewall" --prog xdp_simple_firewall
expect 0 "call bpf_map_lookup_elem#1" prog verify "$firewall" --facts
expect 0 "map flows: " prog verify "$firewall" --facts
expect 0 "R1=ctx" prog verify "$firewall" -v
expect 0 '"schema":"forager-verify","version":1' -j prog verify "$firewall"
expect 0 '"disasm":' -j prog verify "$firewall" --facts
expect 0 '"log":' -j prog verify "$firewall" --verbose
expect 0 "accepted" prog verify "$firewall" --strict-alignment --allow-uninit-stack --limit 1000000

# refusals: what, where, the way there, what to do; the other programs of the object are judged too
refused=$programs/verify/refused.bpf.o
expect 1 "reads_unchecked_packet (xdp): refused" prog verify "$refused"
expect 1 "of reads_unchecked_packet (tests/cli/objects/refused.bpf.c:20: return data[13]" prog verify "$refused"
expect 1 "the way there:" prog verify "$refused"
expect 1 "hint: compare it with NULL" prog verify "$refused"
expect 1 "is_fine (xdp): accepted" prog verify "$refused"
expect 1 "refused.bpf.o: 2 of 3 programs refused" prog verify "$refused"
expect 0 "is_fine (xdp): accepted" prog verify "$refused" --prog is_fine
expect 1 '"verdict":"refused","diagnostic":{"kind":"rejected","errno":13' -j prog verify "$refused"
expect 1 "hint: compare first" run "$refused" --prog is_fine --pcap "$captures/tiny.pcap"
expect 1 "hint: compare it with NULL" explain "$refused"
expect 1 "hint: compare first" prog load "$refused" refused --state "$work/state"
one_document -j prog verify "$refused"
one_document -j explain "$refused"

# C lines that are not UTF-8
LC_ALL=C sed 's/return data\[13\] == 8/return dat\xe4[13] == 8/' "$refused" >latin.o
expect 1 '"verdict":"refused"' -j prog verify latin.o
one_document -j prog verify latin.o

# options
careless=$programs/verify/careless.bpf.o
expect 0 "loops (xdp): accepted" prog verify "$careless" --prog loops
expect 1 "loops (xdp): refused" prog verify "$careless" --prog loops --strict-loops
expect 1 "limit 50, asked 51" prog verify "$careless" --prog loops --limit 50
expect 1 "reads_what_nobody_wrote (xdp): refused" prog verify "$careless"
expect 0 "reads_what_nobody_wrote (xdp): accepted" prog verify "$careless" --allow-uninit-stack

# programs in sections that name no type
expect 1 "which names no program type" prog verify "$programs/verify/unnamed.bpf.o"
expect 0 "handle_from_host (sched_cls): accepted" prog verify "$programs/verify/unnamed.bpf.o" --type sched_cls
expect 1 "no program type is called 'nothing'" prog verify "$programs/verify/unnamed.bpf.o" --type nothing

expect 1 "at_tcx (sched_cls): accepted" prog verify "$programs/verify/later.bpf.o"
expect 0 "at_netkit (sched_cls): accepted" prog verify "$programs/verify/later.bpf.o" --prog at_netkit
expect 1 "typed by a kernel's BTF" prog verify "$programs/verify/later.bpf.o" --prog at_typed_tracepoint
expect 1 '"kind":"unsupported"' -j prog verify "$programs/verify/later.bpf.o" --prog at_typed_tracepoint

# wrong input
printf 'no ELF at all' >text.o
expect 1 "missing.o: No such file" prog verify missing.o
expect 1 "text.o: not an ELF file" prog verify text.o
expect 1 "no program 'nobody'" prog verify "$firewall" --prog nobody
expect 1 '{"error":"no program' -j prog verify "$firewall" --prog nobody
expect 2 "object is required" prog verify
expect 2 "--limit" prog verify "$firewall" --limit 0
expect 2 "--limit" prog verify "$firewall" --limit many
expect 2 "--limit" prog verify "$firewall" --limit 1000001
expect 2 "--nonsense" prog verify "$firewall" --nonsense
one_line prog verify missing.o
one_line prog verify text.o
one_line prog verify "$firewall" --limit many

summary
