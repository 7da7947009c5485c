#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Maps by themselves, from one command to the next: every type's own words, and what bpftool prints of them.
#
#   map_test.sh FORAGER PROGRAMS CAPTURES
set -u
forager=$1 programs=$2 captures=$3
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_STATE_HOME=$work/state
cd "$work" || exit 1
# shellcheck source=tests/cli/expect.sh
source "$here/expect.sh"

# hash
expect 0 "" map create h type hash key 4 value 8 entries 10 name h flags 1
expect 0 "1: hash  name h  flags 0x1" map show
expect 0 "" map update pinned h key 1 0 0 0 value hex 01 02 03 04 05 06 07 08
expect 0 "key: 01 00 00 00  value: 01 02 03 04 05 06 07 08
Found 1 element" map dump pinned h
expect 0 '{"key":["0x01","0x00","0x00","0x00"],"value":["0x01","0x02",' -j map lookup pinned h key 1 0 0 0
expect 1 "key:
02 00 00 00

Not found" map lookup pinned h key 2 0 0 0
expect 1 "null" -j map lookup pinned h key 2 0 0 0
expect 0 "key: None
next key:
01 00 00 00" map getnext pinned h
expect 0 '{"key":null,"next_key":["0x01"' -j map getnext pinned h
expect 1 "can't get next key: No such file" map getnext pinned h key 1 0 0 0
expect 1 "File exists" map update pinned h key 1 0 0 0 value 1 2 3 4 5 6 7 8 noexist
expect 1 "No such file" map update pinned h key 7 0 0 0 value 1 2 3 4 5 6 7 8 exist
expect 2 "the value has 2 bytes" map update pinned h key 1 0 0 0 value 1 2
expect 0 "" map freeze pinned h
expect 0 '"frozen":1' -j map show pinned h
expect 1 "Operation not permitted" map update pinned h key 1 0 0 0 value 1 2 3 4 5 6 7 8

# per CPU
expect 0 "" map create p type percpu_hash key 4 value 4 entries 10 name p
expect 0 "" map update name p key 1 0 0 0 value 1 2 3 4
expect 0 "key:
01 00 00 00
value (CPU 00): 01 02 03 04" map dump name p
expect 0 '"values":[{"cpu":0,"value":["0x01","0x02","0x03","0x04"]}' -j map dump name p

# long values, several lines
expect 0 "" map create a type array key 4 value 20 entries 1 name a
expect 0 "value:
00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
00 00 00 00" map dump name a

# maps in maps, and programs in maps
expect 0 "" map create outer type array_of_maps key 4 value 4 entries 3 name outer inner_map name a
expect 0 "" map update name outer key 1 0 0 0 value name a
expect 0 "key: 01 00 00 00  value: 03 00 00 00" map lookup name outer key 1 0 0 0
expect 1 "Invalid argument" map update name outer key 1 0 0 0 value name h
expect 2 "'id N', 'name MAP' or 'pinned PATH' is missing" map update name outer key 1 0 0 0 value 1 2 3 4
expect 0 "" prog load "$programs/xdp_tail_parser.bpf.o" tail
expect 0 "" map update name parsers key 7 0 0 0 value pinned tail
expect 0 "key: 07 00 00 00  value: 01 00 00 00" map lookup name parsers key 7 0 0 0
expect 0 "" map delete name parsers key 7 0 0 0
expect 1 "Not found" map lookup name parsers key 7 0 0 0

# ring buffers keep what nobody has read
expect 0 "" prog load "$programs/xdp_ringbuf_sampler.bpf.o" rings
ring=$("$forager" -j map show | sed 's/},{/}\n{/g' | sed -n 's/.*"id":\([0-9]*\),"type":"ringbuf".*/\1/p')
expect 0 "== @" map event_pipe id "$ring" run name xdp_ringbuf_sampler "$captures/firewall.pcap"
expect 0 "[]" -j map event_pipe id "$ring"
expect 1 "is no perf event array and no ring buffer" map event_pipe name a
expect 0 "" prog load "$programs/xdp_perf_sampler.bpf.o" perf
perf=$("$forager" -j map show | sed 's/},{/}\n{/g' | sed -n 's/.*"id":\([0-9]*\),"type":"perf_event_array".*/\1/p')
expect 2 "'run PROG FILE' is missing" map event_pipe id "$perf"
expect 0 "index: 0 =====" map event_pipe id "$perf" run name xdp_perf_sampler "$captures/firewall.pcap"
expect 0 '"cpu":0,"index":0,"timestamp":' -j map event_pipe id "$perf" run name xdp_perf_sampler "$captures/firewall.pcap"

# trace
expect 0 "" prog load "$programs/xdp_core_globals.bpf.o" talks
expect 0 "" prog tracelog run pinned talks "$captures/mixed.pcap"
holds test -n "$("$forager" prog tracelog run pinned talks "$captures/mixed.pcap")"
expect 2 "'run PROG FILE' is missing" prog tracelog

# what cannot be
expect 1 "no maps of type struct_ops" map create s type struct_ops key 4 value 4 entries 1 name s
expect 2 "is no map type" map create s type cloud key 4 value 4 entries 1 name s
expect 1 "map create failed: Invalid argument" map create s type hash key 4 value 4 entries 0 name s
expect 2 "'type TYPE' is missing" map create s key 4 value 4 entries 0 name s
expect 1 "has keys" map pop name a

# queues and stacks, where the runtime has them
if "$forager" map create q type queue key 0 value 4 entries 10 name q 2>/dev/null; then
  expect 0 "" map push name q value 1 2 3 4
  expect 0 "" map enqueue name q value 0x05 6 7 8
  expect 0 "value: 01 02 03 04" map peek name q
  expect 0 '{"key":[],"value":["0x01","0x02","0x03","0x04"]}' -j map peek name q
  expect 0 "value: 01 02 03 04" map pop name q
  expect 0 "value: 05 06 07 08" map dequeue name q
  expect 1 "empty map" map pop name q
  expect 1 "null" -j map pop name q
  expect 0 "" map create st type stack key 0 value 4 entries 10 name st
  expect 0 "" map push name st value 1 2 3 4
  expect 0 "" map push name st value 5 6 7 8
  expect 0 "value: 05 06 07 08" map pop name st
  expect 0 "value: 01 02 03 04" map pop name st
fi

summary
