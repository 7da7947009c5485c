#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# forager prog verify: the verdicts on objects of many kinds, the forms of the answer, wrong input.
#
#   verify_test.sh FORAGER PROGRAMS
set -u
forager=$1 programs=$2
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
# shellcheck source=tests/cli/expect.sh
source "$here/expect.sh"

# Every example program, and one object for each kind of map and place that cannot run yet.
for object in "$programs"/xdp*.bpf.o "$programs"/verify/{callbacks,fields,functions}.bpf.o; do
  expect 0 "accepted" prog verify "$object"
done

firewall=$programs/xdp_simple_firewall.bpf.o
expect 0 "xdp_simple_firewall (xdp): accepted" prog verify "$firewall"
expect 0 " processed; " prog verify "$firewall" --prog xdp_simple_firewall
expect 0 "call bpf_map_lookup_elem#1" prog verify "$firewall" --facts
expect 0 "map flows: " prog verify "$firewall" --facts
expect 0 "processed " prog verify "$firewall" -v
expect 0 '"schema":"forager-verify","version":1' -j prog verify "$firewall"
expect 0 '"disasm":' -j prog verify "$firewall" --facts
expect 0 '"log":' -j prog verify "$firewall" --verbose
expect 0 "accepted" prog verify "$firewall" --strict-alignment --allow-uninit-stack --limit 1000000

# programs in sections that name no type
expect 1 "which names no program type" prog verify "$programs/verify/unnamed.bpf.o"
expect 0 "handle_from_host (sched_cls): accepted" prog verify "$programs/verify/unnamed.bpf.o" --type sched_cls
expect 1 "no program type is called 'nothing'" prog verify "$programs/verify/unnamed.bpf.o" --type nothing

# what cannot run is not made where it would run
expect 1 "not built yet: maps inside maps" prog load "$programs/verify/inner_maps.bpf.o" inner --state "$work/state"

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
