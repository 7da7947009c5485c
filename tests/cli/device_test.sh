#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# forager device, and the options by which `forager run` chooses one: what there is, what is meant, and what a person is
# told where OpenCL is not as it should be.
#
#   device_test.sh FORAGER PROGRAMS CAPTURES
set -u
forager=$1 programs=$2 captures=$3
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache
cd "$work" || exit 1
# shellcheck source=tests/cli/expect.sh
source "$here/expect.sh"

firewall=$programs/xdp_simple_firewall.bpf.o
packets=$captures/firewall.pcap
on_opencl=(run "$firewall" --pcap "$packets" --backend opencl)

# what there is
expect 0 "interp            yes" device list
expect 0 "rtl      default  yes" dev show
expect 0 "opencl   0        yes" device
expect 0 '{"schema":"forager-device","version":1,"devices":[{"backend":"x86_64"' -j device list
expect 0 '{"backend":"rtl","device":"small",' -j device list
expect 0 '"shares_memory":' -j device
expect 0 "Usage: forager device list" device help
expect 0 "what programs can be placed on" help
expect 2 "unexpected 'more'" device list more
expect 2 "is no verb of device" device frobnicate

# which is meant
name=$("$forager" -j device | sed 's/.*"backend":"opencl","device":"0","name":"\([^"]*\)".*/\1/')
expect 0 "XDP_DROP" "${on_opencl[@]}" --device 0
expect 0 "XDP_DROP" "${on_opencl[@]}" --device "$name"
expect 0 "XDP_DROP" "${on_opencl[@]}" --device "${name^^}"
expect 0 "XDP_DROP" "${on_opencl[@]}" --batch 1 --max-latency 100 --copies
expect 0 "XDP_DROP" "${on_opencl[@]}" --batch 65536
expect 0 "XDP_DROP" run "$firewall" --pcap "$packets" --backend interp --device nobody  # has no use for it
expect 1 "no OpenCL device 'nobody': there are 0 ($name)" "${on_opencl[@]}" --device nobody
expect 1 "no OpenCL device '7': there are 0 ($name)" "${on_opencl[@]}" --device 7
expect 2 "--batch" "${on_opencl[@]}" --batch 0
expect 2 "--batch" "${on_opencl[@]}" --batch 65537
expect 2 "--batch" "${on_opencl[@]}" --batch many
expect 2 "--max-latency" "${on_opencl[@]}" --max-latency 0
expect 2 "--max-latency" "${on_opencl[@]}" --max-latency 1000001
expect 2 "--device" "${on_opencl[@]}" --device
one_line "${on_opencl[@]}" --device nobody

# no driver: none where the variable leads, or one that cannot be loaded
mkdir empty broken
echo /no/such/libdriver.so >broken/none.icd
for vendors in /no/such/place empty/ broken/; do
  export OCL_ICD_VENDORS=$vendors
  expect 0 "not usable: no OpenCL device: OCL_ICD_VENDORS is '$vendors', which leads to no driver" device list
  expect 0 '"usable":false,"lacks":"no OpenCL device' -j device list
  expect 0 "OCL_ICD_VENDORS is '$vendors'" explain "$firewall"
  expect 0 "not available: no OpenCL device: OCL_ICD_VENDORS is '$vendors'" feature
  expect 1 "no OpenCL device: OCL_ICD_VENDORS is '$vendors'" "${on_opencl[@]}"
  one_line "${on_opencl[@]}"
  one_line "${on_opencl[@]}" --device 0
done
unset OCL_ICD_VENDORS
OCL_ICD_VENDORS="" expect 0 "opencl   0        yes" device

# two drivers, where the machine has another one
simulator=/usr/lib/oclgrind/liboclgrind-rt-icd.so
if [[ -e $simulator ]] && compgen -G '/etc/OpenCL/vendors/*.icd' >/dev/null; then
  mkdir both
  cp /etc/OpenCL/vendors/*.icd both/
  echo "$simulator" >both/oclgrind.icd
  export OCL_ICD_VENDORS=$work/both
  expect 0 "Oclgrind Simulator" device list
  expect 0 "XDP_DROP" "${on_opencl[@]}" --device oclgrind
  expect 0 '"device":"Oclgrind Simulator"' -j "${on_opencl[@]}" --device SIMUL
  expect 1 "'r' may be several OpenCL devices: 0 (" "${on_opencl[@]}" --device r
  expect 1 "no OpenCL device '2': there are 0 (" "${on_opencl[@]}" --device 2
  one_line "${on_opencl[@]}" --device r
  unset OCL_ICD_VENDORS
fi

summary
