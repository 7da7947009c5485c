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
expect 0 "XDP_DROP" run "$firewall" --pcap "$capture" --backend opencl --save-temps kernels
holds grep -q "__kernel" kernels/*.cl
expect 0 "wrote" run "$firewall" --pcap "$capture" --backend interp --write out.pcapng
holds test -s out.pcapng
expect 0 '"schema":"forager-run","version":1' -j run "$firewall" --pcap "$capture" --backend interp
expect 0 "3 times" run "$firewall" --pcap "$capture" --backend interp --repeat 3
expect 0 "XDP_REDIRECT" run "$programs/xdp_redirect_map.bpf.o" --pcap "$captures/mixed.pcap" --backend interp \
  --setup "$setups/xdp_redirect_map.setup.json"
expect 0 "printk" run "$programs/xdp_core_globals.bpf.o" --pcap "$captures/mixed.pcap" --backend interp
expect 0 "XDP_TX" run "$programs/xdp_trailer.bpf.o" --pcap "$captures/jumbo.pcap" --backend interp --checked
expect 0 "XDP_TX" run "$programs/xdp_trailer.bpf.o" --pcap "$captures/jumbo.pcap" --backend interp --linear 14
expect 0 "records" run "$programs/xdp_ringbuf_sampler.bpf.o" --pcap "$capture" --backend interp

# machine code for profilers: what cannot be done costs a line, and never the run
export FORAGER_PERF=map,jitdump FORAGER_PERF_DIR=$work
expect 0 "XDP_DROP" run "$firewall" --pcap "$capture"
holds grep -qE '^[0-9a-f]+ [0-9a-f]+ bpf_prog_[0-9a-f]{16}_xdp' perf-*.map
holds test -s jit-*.dump
FORAGER_PERF_DIR=/no/such expect 0 "not shown to profilers: cannot write /no/such/perf-" run "$firewall" --pcap "$capture"
FORAGER_PERF=flames expect 0 "FORAGER_PERF is 'map' or 'jitdump', not 'flames'" run "$firewall" --pcap "$capture"
unset FORAGER_PERF FORAGER_PERF_DIR

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
expect 1 "not for BPF" run /bin/sh --pcap "$capture"
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

# explain, feature, version, help
expect 0 "interp     yes" explain "$firewall"
expect 0 '"schema":"forager-explain"' -j explain "$firewall"
expect 1 "no program 'nobody'" explain "$firewall" --prog nobody
expect 0 "map types" feature
expect 0 '"name":"interp"' -j feature
expect 0 "eBPF map_type hash is available" feature probe
expect 0 '"have_xdp_prog_type":true' -j feature probe kernel
expect 0 "bpf_map_lookup_elem" feature list_builtins helpers
expect 2 "is missing" feature list_builtins
expect 0 '"libbpf_version":' -j version
expect 0 "forager" --version
expect 0 "Usage: forager" help
expect 0 "Usage: forager map" map help
expect 0 "event_pipe" map --help
expect 2 "what is to be done"
expect 2 "is no verb of map" map frobnicate
expect 2 "is no option" map show --frobnicate
expect 2 '{"error":' -j map frobnicate

# prog and map on kept objects
expect 0 "" prog load "$firewall" fw
expect 1 "something is pinned at /sys/fs/bpf/fw already" prog load "$firewall" fw
expect 1 "is no path of a pin" prog load "$firewall" ../escape
expect 0 "map_ids" prog show
expect 0 "map_ids" p s -- id 1
expect 0 "pinned /sys/fs/bpf/fw" -f prog show pinned fw
expect 0 '"tag":' -j prog show name xdp_simple_firewall
expect 1 "no program of id 99" prog show id 99
expect 1 "nothing is pinned at /sys/fs/bpf/nothing" prog show pinned nothing
expect 2 "is missing" prog show frobnicate
tag=$("$forager" -j prog show id 1 | sed 's/.*"tag":"\([0-9a-f]*\)".*/\1/')
expect 0 "xdp_simple_firewall" prog show tag "$tag"
expect 0 "exit" prog dump xlated id 1
expect 0 '"disasm":' -j prog dump xlated file "$firewall"
expect 0 '"src_reg":"0x1"' -j prog dump xlated id 1 opcodes
expect 0 "line_num:" prog dump xlated id 1 linum
expect 0 "" prog dump xlated id 1 file image.bin
holds test -s image.bin
expect 0 "ret" prog dump jited id 1
expect 0 "return " prog dump rtl id 1
expect 0 "__kernel" prog dump opencl id 1
expect 0 "measured" prog dump rtl id 1 run "$capture"
expect 2 "run FILE" prog dump xlated id 1 run "$capture"
expect 2 "'xlated', 'jited', 'rtl' or 'opencl' is missing" prog dump id 1
expect 0 "" prog pin id 1 also/here
expect 0 '"pinned":["/sys/fs/bpf/fw","/sys/fs/bpf/also/here"]' -j -f prog show id 1
expect 0 "" prog unpin also/here
expect 0 "flows" map show
expect 0 '"bytes_memlock":' -j map show name flows
expect 0 "[]" map dump name flows
# shellcheck disable=SC2046  # each byte is an argument
expect 0 "" map update name stats key 0 0 0 0 value hex $(printf '01 %.0s' {1..144})
expect 0 "72340172838076673" map lookup name stats key 0 0 0 0
expect 0 '"formatted"' -j map lookup name stats key 0x00 0 0 0
expect 1 "Invalid argument" map delete name stats key 0 0 0 0
expect 1 "Not found" map lookup name stats key 9 0 0 0
expect 2 "the key has 3 bytes before the end, 4 wanted" map lookup name stats key 0 0 0
expect 2 "unexpected 'more'" map lookup name stats key 0 0 0 0 more
expect 1 "no map of name 'nothing' is loaded" map dump name nothing
head -c 60 /dev/zero >packet.bin
expect 0 "XDP_" prog run id 1 data_in packet.bin data_out reply.bin repeat 2
holds test -s reply.bin
expect 0 '"data_out":[0,0' -j prog run id 1 data_in packet.bin data_out -
expect 0 "0000000" prog run id 1 data_in - data_out - <packet.bin
expect 1 "missing.bin: No such file" prog run id 1 data_in missing.bin
expect 2 "'data_in FILE' is missing" prog run id 1
expect 2 "repeat takes 1" prog run id 1 data_in packet.bin repeat 0
expect 0 "run_cnt" prog profile id 1 instructions ns run "$capture"
expect 0 '"metric":"instructions"' -j prog profile id 1 instructions run "$capture" repeat 2
expect 1 "counts the processor" prog profile id 1 cycles run "$capture"
expect 2 "'run FILE' is missing" prog profile id 1 ns

# btf
expect 0 "prog_ids 1" btf show
expect 0 '"kernel":false' -j btf show id 1
expect 1 "no BTF of id 9" btf show id 9
expect 0 "STRUCT" btf dump id 1
expect 0 '{"types":[{"id":1,' -j btf dump prog id 1
expect 0 "struct " btf dump map name flows format c
expect 0 "preserve_access_index" btf dump file "$firewall" format c
expect 2 "no JSON form" -j btf dump id 1 format c
expect 1 "no BTF" btf dump file packet.bin

# links at virtual ports
expect 0 "" net attach xdp id 1 dev 2
expect 0 "port2(2) driver id 1" net show
expect 1 "attached to port2 already" net attach xdp id 1 dev port2
expect 0 "" net attach xdp id 1 dev 2 overwrite
expect 0 '"type":"xdp","prog_id":1' -j link show
expect 0 "" link pin id 2 a_link
expect 0 "pinned /sys/fs/bpf/a_link" -f link show pinned a_link
expect 0 "" link detach pinned a_link
expect 0 "detached" link show
expect 1 "no program is attached to port2" net detach xdp dev 2
expect 2 "is no port" net attach xdp id 1 dev eth0
expect 1 "no link of id 7" link show id 7

# letting go
expect 0 "" prog unload fw
expect 1 "no object 'fw' is loaded" prog unload fw
expect 0 "[]" -j link show
expect 0 "" prog load "$firewall" again pinmaps maps_of
expect 0 "[]" map dump pinned maps_of/flows
expect 0 "" map create shared_one type hash key 16 value 32 entries 4096 name flows
expect 0 "" prog load "$firewall" other map name flows pinned shared_one
expect 1 "uses a map of 'shared_one'" map unload shared_one
expect 0 "" prog unpin other
expect 0 "" map unpin shared_one
expect 1 "nothing is pinned" map show pinned shared_one

# batch
printf '# what stands there\nmap show\nprog show pinned "again"\n' >lines.txt
expect 0 "processed 2 commands" batch file lines.txt
expect 0 '{"command":["map","show"],"output":[{' -j batch file lines.txt
printf 'map show\nmap show id 99\nmap show\n' >stops.txt
expect 1 "stops.txt:2: no map of id 99" batch file stops.txt
expect 1 '"output":{"error":"no map of id 99' -j batch file stops.txt
expect 1 "missing.txt: No such file" batch file missing.txt

# a state that somebody damaged
printf 'no JSON' >"$work/state/forager/objects/again/state.json"
expect 1 "damaged (no JSON)" map show
expect 0 "" prog unload again

summary
