#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# forager run where entries of device and CPU maps have programs: what they say is told, and what they wrote leaves.
#
#   redirect_test.sh FORAGER PROGRAMS CAPTURES SETUPS
set -u
forager=$1 programs=$2 captures=$3 setups=$4
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_STATE_HOME=$work/state
cd "$work" || exit 1
# shellcheck source=tests/cli/expect.sh
source "$here/expect.sh"

object=$programs/xdp_redirect_egress.bpf.o setup=$setups/xdp_redirect_egress.setup.json
run=(run "$object" --prog xdp_redirect_egress --pcap "$captures/mixed.pcap" --backend interp)

# 397 packets: 286 would leave by the port that they came from; 16 of 24 on the CPU are IPv4, and go on to port 2.
said="on the way: 286 XDP_DROP of leave_by_port, 103 XDP_PASS of leave_by_port, 8 XDP_PASS of work_on_cpu, 16 XDP_REDIRECT of work_on_cpu"
expect 0 "$said" "${run[@]}" --setup "$setup" --checked --write out.pcapng
expect 0 "redirected: 8 to cpu 0, 83 to port 2, 20 to port 3" "${run[@]}" --setup "$setup"
expect 0 '{"program":"work_on_cpu","verdict":"XDP_REDIRECT","value":4,"packets":16}' -j "${run[@]}" --setup "$setup"
expect 0 '"verdicts":[{"verdict":"XDP_REDIRECT","value":4,"packets":397' -j "${run[@]}" --setup "$setup"
expect 0 "wrote 111 packets" "${run[@]}" --setup "$setup" --write out.pcapng

# The port's own address is what leaves: its program wrote it.
addresses_of() { LC_ALL=C grep -aoP "\x02\x00\x00\xee\x00\x$1" out.pcapng | wc -l; }
holds test "$(addresses_of 02)" -eq 83
holds test "$(addresses_of 03)" -eq 20

# Without programs, entries lead where they say.
sed 's/, "program": "[a-z_]*"//' "$setup" >plain.json
expect 0 "redirected: 24 to cpu 0, 286 to port 1, 67 to port 2, 20 to port 3" "${run[@]}" --setup plain.json

# Wrong input.
entry() { printf '[{"map": "%s", "key": "00 00 00 00", "value": "%s", "program": "%s"}]' "$1" "$2" "$3"; }
entry ports "02 00 00 00 00 00 00 00" nobody >nobody.json
entry ports "02 00 00 00 00 00 00 00" work_on_cpu >other.json
entry ports "02 00 00 00" leave_by_port >short.json
entry left "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00" leave_by_port >none.json
expect 1 "setup entry 0: " "${run[@]}" --setup nobody.json
expect 1 "no program 'nobody'" "${run[@]}" --setup nobody.json
expect 1 "Invalid argument" "${run[@]}" --setup other.json
expect 1 "a value of map ports holds no program" "${run[@]}" --setup short.json
expect 1 "a value of map left holds no program" "${run[@]}" --setup none.json

summary
