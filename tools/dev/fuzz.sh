# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Build and run the libFuzzer targets fuzz_* of tests/fuzz, and forager_verifier_soak, which makes programs of its own
# (NAME verifier_soak). Each target grows a corpus in build/fuzz/corpus, from the folder of seeds named below; an input
# that breaks something is kept beside it as <fuzzer>-crash-....

# fuzzer_targets: the targets by that name in the configured build, one per line.
fuzzer_targets() { ninja -C build/fuzz -t targets all | sed -n 's/^\(fuzz_[a-z0-9_]*\): phony$/\1/p'; }

seeds_of() {
  case $1 in
    fuzz_elf) echo build/fuzz/programs ;;
    fuzz_pcap) echo build/fuzz/captures ;;
    fuzz_verifier_bytes) echo build/fuzz/fuzz_seeds ;;
    fuzz_bpf_attr) echo build/fuzz/bpf_attr_seeds ;;
    *) echo "tests/fuzz/corpus/$1" ;;
  esac
}

# run_fuzzers SECONDS [NAME]
run_fuzzers() {
  local seconds=$1 only=$2 targets name
  [[ $seconds =~ ^[0-9]+$ ]] || die 2 "'$seconds' is not a number of seconds"
  configure fuzz
  if [[ $only == verifier_soak ]]; then
    soak "$seconds"
    return
  fi
  mapfile -t targets < <(fuzzer_targets)
  if [[ -n $only ]]; then
    [[ " ${targets[*]} " == *" $only "* ]] || die 2 "no fuzzer '$only'; there are: ${targets[*]} verifier_soak"
    targets=("$only")
  fi
  ((${#targets[@]})) || die 1 "this build has no fuzzer"
  build fuzz forager_programs forager_captures forager_fuzz_seeds forager_bpf_seeds "${targets[@]}"
  for name in "${targets[@]}"; do
    fuzz_one "$name" "$seconds"
  done
  [[ -n $only ]] || soak "$seconds"
}

# New programs each time: the seed is the time, and printed with what is found.
soak() {
  build fuzz forager_verifier_soak
  step "verifier_soak for $1 s" build/fuzz/dev-verifier_soak.log \
    build/fuzz/bin/forager_verifier_soak --seed "$(date +%s)" --seconds "$1" --threads "$(nproc)"
}

fuzz_one() {
  local name=$1 seconds=$2 seeds corpus=build/fuzz/corpus/$1
  seeds=$(seeds_of "$name")
  mkdir -p "$corpus"
  [[ -d $seeds ]] || seeds=
  step "$name for $seconds s" "build/fuzz/dev-$name.log" \
    "build/fuzz/bin/$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 \
    -artifact_prefix="build/fuzz/$name-" "$corpus" ${seeds:+"$seeds"}
}
