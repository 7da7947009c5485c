# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Configure, build and test a CMake preset. One preset is one folder build/<preset>; it is configured again only when
# the presets or the options below change (Ninja itself notices changed CMakeLists).

# ccache by environment, so that neither the presets nor plain CMake users depend on it; read at the first configure.
export_launcher() {
  command -v ccache >/dev/null || return 0
  export CMAKE_C_COMPILER_LAUNCHER=${CMAKE_C_COMPILER_LAUNCHER:-ccache}
  export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER:-ccache}
}

# Tests and benchmarks are built where what they need is, as `dev run` alone must not ask for it. The other presets say
# what they build.
options_of() {
  local tests=OFF bench=OFF
  case $1 in release | debug) ;; *) return ;; esac
  if has_header gmock/gmock.h && PATH=$PATH:/usr/sbin:/sbin command -v bpftool >/dev/null; then tests=ON; fi
  if has_header benchmark/benchmark.h; then bench=ON; fi
  printf '%s\n' "-DFORAGER_TESTS=$tests" "-DFORAGER_BENCH=$bench"
}

has_header() {
  "${CXX:-g++}" -fsyntax-only -x c++ - 2>/dev/null <<<"#if !__has_include(<$1>)
#error
#endif"
}

configure() {
  local preset=$1 folder=build/$1 options stamp
  mapfile -t options < <(options_of "$preset")
  stamp="${options[*]} $(cksum <CMakePresets.json)"
  if [[ -e $folder/build.ninja && -e $folder/dev-options && $(<"$folder/dev-options") == "$stamp" ]]; then return 0; fi
  export_launcher
  step "configure $preset" "$folder/dev-configure.log" cmake --preset "$preset" "${options[@]}"
  printf '%s\n' "$stamp" >"$folder/dev-options"
}

# build PRESET [TARGET...]
build() {
  local preset=$1 arguments=()
  shift
  (($# == 0)) || arguments=(--target "$@")
  configure "$preset"
  step "build $preset${1:+ ($*)}" "build/$preset/dev-build.log" \
    cmake --build --preset "$preset" --parallel "$(nproc)" "${arguments[@]}"
}

# run_tests PRESET [CTEST ARGUMENT...]: failures and the summary are shown, passing tests only in the log.
run_tests() {
  local preset=$1 log=build/$1/dev-test.log
  shift
  note "test $preset (log: $log)"
  ctest --preset "$preset" --parallel "$(nproc)" "$@" 2>&1 | tee "$log" |
    grep -vE --line-buffered '^ +Start +[0-9]+: |^ *[0-9]+/[0-9]+ Test +#[0-9]+: .* Passed +[0-9.]+ sec$'
}

