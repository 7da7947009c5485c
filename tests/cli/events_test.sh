#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# forager run --events: the example programs that see no packet over their events, against tests/golden/NAME.events.json
# (BLESS=1 rewrites them, for review as a diff), and what wrong input gets told.
#
#   events_test.sh FORAGER PROGRAMS SOURCES GOLDEN CAPTURE
set -u
forager=$1 programs=$2 sources=$3 golden=$4 capture=$5
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_STATE_HOME=$work/state
cd "$work" || exit 1
# shellcheck source=tests/cli/expect.sh
source "$here/expect.sh"

# results NAME [OPTION...]: the document without what differs from run to run; a hash's order does, so that program's
# map is looked at below.
results() {
  local name=$1
  shift
  local setup=()
  [[ -e $sources/$name.setup.json ]] && setup=(--setup "$sources/$name.setup.json")
  "$forager" -p run "$programs/$name.bpf.o" --events "$sources/$name.events.jsonl" --backend interp "${setup[@]}" "$@" |
    grep -v -e '"ns_per_event"' -e '"file"' -e '"object"' |
    if [[ $name == kprobe_open_count ]]; then sed '/^    "maps": \[/,/^    \]/d'; else cat; fi
}

for name in kprobe_open_count tracepoint_read_sizes sockops_parameters cgroup_devices; do
  [[ -n ${BLESS-} ]] && results "$name" >"$golden/$name.events.json"
  results "$name" >result.json
  holds diff -u "$golden/$name.events.json" result.json
done

# An initialised-memory check of the same programs; the tracepoint's last event stops its program, which ends the run.
for name in kprobe_open_count sockops_parameters cgroup_devices; do
  results "$name" --checked >checked.json
  holds diff -u "$golden/$name.events.json" checked.json
done

open=$programs/kprobe_open_count.bpf.o
opened=$sources/kprobe_open_count.events.jsonl
expect 0 "5 events, 3 times" run "$open" --events "$opened" --repeat 3
expect 0 "by_command (hash): 3 of 1,024 entries" run "$open" --events "$opened"
expect 0 '{name: sshd}: {count: 1, unreadable: 0, last: /etc/ssh/sshd_config.d/a-name-o}' run "$open" --events "$opened"
expect 0 '{count: 3, unreadable: 2, last: }' run "$open" --events "$opened"
expect 0 'reply 10' run "$programs/sockops_parameters.bpf.o" --events "$sources/sockops_parameters.events.jsonl"
expect 0 "1 events were stopped" run "$programs/tracepoint_read_sizes.bpf.o" \
  --events "$sources/tracepoint_read_sizes.events.jsonl"

# wrong TEXT LINE: an event that is refused, with its file and line.
wrong() {
  printf '# a comment\n\n%s\n' "$2" >wrong.jsonl
  expect 1 "wrong.jsonl:3: $1" run "$open" --events wrong.jsonl
  one_line run "$open" --events wrong.jsonl
}
wrong "" 'no JSON'
wrong "the event is no object" '[]'
wrong 'the event has an unknown member "regs"' '{"regs": {}}'
wrong "the event is of type xdp, the program of type kprobe" '{"type": "xdp"}'
wrong 'context pt_regs has no field "di"' '{"context": {"di": 1}}'
wrong 'field "rdi": "0x1ffffffffffffffff" is no number of at most 64 bits' '{"context": {"rdi": "0x1ffffffffffffffff"}}'
wrong 'field "rdi" is no whole number' '{"context": {"rdi": 1.5}}'
wrong '"task" has an unknown member "name"' '{"task": {"name": "x"}}'
wrong '"comm" is longer than 15 bytes' '{"task": {"comm": "sixteen letters!"}}'
wrong '"ancestors" does not end with the cgroup itself' '{"task": {"cgroup": 3, "ancestors": [1, 2]}}'
wrong 'memory[0] needs either "hex" or "text"' '{"memory": [{"address": 1}]}'
wrong 'memory[0]: "hex" is no list of hex bytes' '{"memory": [{"address": 1, "hex": "0g"}]}'
wrong 'memory[0] goes over the end of the address space' '{"memory": [{"address": "0xfffffffffffffffe", "text": "long"}]}'
wrong '"context" has 169 bytes, pt_regs at most 168' "{\"context\": \"$(printf '00 %.0s' {1..169})\"}"

expect 1 "missing.jsonl: No such file" run "$open" --events missing.jsonl
expect 1 "events run through programs that see no packets" run "$programs/xdp_drop.bpf.o" --events "$opened"
expect 1 "packets of a capture run through XDP programs" run "$open" --pcap "$capture"
expect 2 "--pcap is required, or --events" run "$open"
expect 2 "excludes" run "$open" --events "$opened" --pcap missing.pcap

summary
