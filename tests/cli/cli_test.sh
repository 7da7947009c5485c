#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The command line as a user meets it: every verb, and what wrong input gets told. Each case is one line: what to run,
# the exit status, and a text that must stand in its output.
#
#   cli_test.sh FORAGER PROGRAMS CAPTURES SETUPS
set -u
forager=$1 programs=$2 captures=$3 setups=$4
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_STATE_HOME=$work/state
cd "$work" || exit 1
# shellcheck source=tests/cli/expect.sh
source "$here/expect.sh"

firewall=$programs/xdp_simple_firewall.bpf.o
capture=$captures/firewall.pcap

# run
expect 0 "XDP_DROP" run "$firewall" --pcap "$capture" --backend interp
expect 0 "flows (hash)" run "$firewall" --pcap "$capture" --backend interp --checked
expect 0 "wrote" run "$firewall" --pcap "$capture" --backend interp --write out.pcapng
holds test -s out.pcapng
expect 0 '"schema":"forager-run","version":1' -j run "$firewall" --pcap "$capture" --backend interp
expect 0 "3 times" run "$firewall" --pcap "$capture" --backend interp --repeat 3
expect 0 "XDP_REDIRECT" run "$programs/xdp_redirect_map.bpf.o" --pcap "$captures/mixed.pcap" --backend interp \
  --setup "$setups/xdp_redirect_map.setup.json"
expect 0 "printk" run "$programs/xdp_core_globals.bpf.o" --pcap "$captures/mixed.pcap" --backend interp
expect 0 "records" run "$programs/xdp_ringbuf_sampler.bpf.o" --pcap "$capture" --backend interp

# run, wrong input
printf 'no ELF at all' >text.o
head -c 700 "$firewall" >short.o
head -c 5 "$firewall" >tiny.o
cp "$firewall" big.o && printf '\x02' | dd of=big.o bs=1 seek=5 conv=notrunc status=none
head -c 4000 "$capture" >cut.pcap
printf '{"maps": [{"map": "nowhere", "key": "00", "value": "00"}]}' >nowhere.json
printf '{"maps": [{"map": "stats", "key": "00", "value": "00"}]}' >sizes.json
expect 1 "text.o: not an ELF file" run text.o --pcap "$capture"
expect 1 "short.o: truncated" run short.o --pcap "$capture"
expect 1 "tiny.o:" run tiny.o --pcap "$capture"
expect 1 "big-endian" run big.o --pcap "$capture"
expect 1 "not for BPF" run "$forager" --pcap "$capture"
expect 1 "missing.o: No such file" run missing.o --pcap "$capture"
expect 1 "not a regular file" run / --pcap "$capture"
expect 1 "no program 'nobody'" run "$firewall" --pcap "$capture" --prog nobody
expect 1 "unreadable at packet" run "$firewall" --pcap cut.pcap
expect 1 "no packet capture" run "$firewall" --pcap "$firewall"
expect 1 "missing.pcap: No such file" run "$firewall" --pcap missing.pcap
expect 1 "cannot write" run "$firewall" --pcap "$capture" --write /no/such/place/out.pcapng
expect 1 "no backend is named 'fpga'" run "$firewall" --pcap "$capture" --backend fpga
expect 1 "no map 'nowhere'" run "$firewall" --pcap "$capture" --setup nowhere.json
expect 1 "key of 1 bytes, 4 wanted" run "$firewall" --pcap "$capture" --setup sizes.json
expect 1 '{"error":' -j run text.o --pcap "$capture"
expect 2 "--pcap is required" run "$firewall"
expect 2 "" frobnicate
one_line run text.o --pcap "$capture"
one_line run "$firewall" --pcap cut.pcap --write half.pcapng
holds test ! -e half.pcapng
holds test -z "$(find . -name '*.tmp')"

# explain, feature
expect 0 "interp     yes" explain "$firewall"
expect 0 '"schema":"forager-explain"' -j explain "$firewall"
expect 1 "no program 'nobody'" explain "$firewall" --prog nobody
expect 0 "map types" feature
expect 0 '"name":"interp"' -j feature probe

# prog and map on kept objects
expect 0 "xdp_simple_firewall" prog load "$firewall" fw
expect 1 "loaded already" prog load "$firewall" fw
expect 1 "is no name" prog load "$firewall" ../escape
expect 0 "map_ids" prog show
expect 0 '"tag":' -j prog show name xdp_simple_firewall
expect 1 "no program of id 99" prog show id 99
expect 0 "exit" prog dump xlated id 1
expect 0 '"disasm":' -j prog dump xlated file "$firewall"
expect 2 "'xlated' is missing" prog dump jited id 1
expect 0 "flows" map show
expect 0 "Found" map dump name flows
# shellcheck disable=SC2046  # each byte is an argument
expect 0 "" map update name stats key 0 0 0 0 value hex $(printf '01 %.0s' {1..144})
expect 0 "72340172838076673" map lookup name stats key 0 0 0 0
expect 0 '"formatted"' -j map lookup name stats key 0x00 0 0 0
expect 1 "Invalid argument" map delete name stats key 0 0 0 0
expect 1 "lookup" map lookup name stats key 9 0 0 0
expect 2 "the key has 3 bytes before the end, 4 wanted" map lookup name stats key 0 0 0
expect 2 "unexpected 'more'" map lookup name stats key 0 0 0 0 more
expect 1 "no map of name 'nothing' is loaded" map dump name nothing
head -c 60 /dev/zero >packet.bin
expect 0 "XDP_" prog run id 1 data_in packet.bin data_out reply.bin repeat 2
holds test -s reply.bin
expect 1 "missing.bin: No such file" prog run id 1 data_in missing.bin
expect 2 "'data_in FILE' is missing" prog run id 1
expect 0 "" prog unload fw
expect 1 "no object 'fw' is loaded" prog unload fw

summary
