# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Run the Google Benchmark executables of bench/ (build/release/bin/bench_*), one after the other, and join their JSON
# into one file of the same form: the machine's facts of the first, the rows of all.

# run_benches [FILTER] [--json FILE] [BENCHMARK FLAG...]
run_benches() {
  local filter=. json="" flags=() parts=() bench name
  while (($#)); do
    case $1 in
      --json)
        (($# > 1)) || die 2 "--json needs a file name"
        json=$(cd "${caller:?}" && realpath -m "$2")
        shift ;;
      --*) flags+=("$1") ;;
      *) filter=$1 ;;
    esac
    shift
  done
  mkdir -p build/release/bench
  for bench in build/release/bin/bench_*; do
    [[ -x $bench ]] || die 1 "no benchmark in build/release/bin"
    name=$(basename "$bench")
    "$bench" --benchmark_filter="$filter" --benchmark_out_format=json \
      --benchmark_out="build/release/bench/$name.json" "${flags[@]}" || die 1 "$name failed"
    parts+=("build/release/bench/$name.json")
  done
  cat "${parts[@]}" | grep -q '"name":' || die 1 "no benchmark matches '$filter'"
  if [[ -n $json ]]; then
    join_json "${parts[@]}" >"$json" || die 1 "$json cannot be written"
    note "results: $json"
  fi
}

# count_retired [PART OF A PROGRAM'S NAME]: arm64 is emulated, so instructions are counted and nothing is timed.
count_retired() {
  qemu-aarch64 -L "${sysroot:?}/root" -plugin build/arm64/bench/retired/retired_plugin.so \
    build/arm64/bin/forager_retired "$@"
}

# Google Benchmark puts each row's braces on lines of their own, four spaces deep, between '"benchmarks": [' and ']'.
# A benchmark that the filter leaves nothing of writes an empty file.
join_json() {
  awk '
    FNR == 1 { inside = 0 }
    /^  "benchmarks": \[/ { inside = 1; if (!started++) { print; } next }
    inside && /^  \]/ { inside = 0; next }
    inside && /^    \{/ { if (rows++) print ","; print; next }
    inside && /^    \},?$/ { printf "    }"; next }
    inside || !started { print }
    END { if (started) print "\n  ]\n}" }' "$@"
}
