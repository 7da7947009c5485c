# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What dev needs of the machine: one list of Debian packages by level, the levels that each verb needs, and the tool
# versions that are checked. When nothing is missing this costs one dpkg-query and a few version look-ups.

package_table() {
  cat <<'END'
base  g++ cmake ninja-build ccache pkg-config clang-19
base  libasmjit-dev libcapstone-dev libbpf-dev libelf-dev zlib1g-dev libfmt-dev libcli11-dev nlohmann-json3-dev libpcap-dev
base  verilator make
base  opencl-headers ocl-icd-opencl-dev
test  pocl-opencl-icd oclgrind
test  libgtest-dev libgmock-dev bpftool
bench libbenchmark-dev
peers libdpdk-dev
lint  clang-tidy-19 clang-format-19 shellcheck
fuzz  libclang-rt-19-dev
arm64 g++-aarch64-linux-gnu qemu-user
END
  # BPF programs are compiled with x86-64's headers on every machine (tests/programs/CMakeLists.txt).
  [[ $(uname -m) == x86_64 ]] || echo "base  linux-libc-dev-amd64-cross"
}

# A row: what is checked when the level is needed, the least version, and the command that prints the one found.
tool_table() {
  cat <<'END'
base  g++                   12   g++ -dumpfullversion
base  cmake                 3.25 cmake --version
base  ninja                 1.10 ninja --version
base  clang-19              19   clang-19 -dumpversion
base  verilator             5    verilator --version
lint  clang-tidy-19         19   clang-tidy-19 --version
lint  clang-format-19       19   clang-format-19 --version
fuzz  clang++-19            19   clang++-19 -dumpversion
arm64 aarch64-linux-gnu-g++ 12   aarch64-linux-gnu-g++ -dumpfullversion
arm64 qemu-aarch64          7    qemu-aarch64 --version
END
}

# levels_of VERB: one level per line.
levels_of() {
  case $1 in
    run | forager) printf '%s\n' base ;;
    build | test) printf '%s\n' base test bench ;;
    bench) printf '%s\n' base test bench peers ;;
    asan | tsan | conformance | mutants) printf '%s\n' base test ;;
    fuzz) printf '%s\n' base test fuzz ;;
    arm64 | retired) printf '%s\n' base test arm64 ;;
    lint) printf '%s\n' base test bench lint ;;
    fmt) printf '%s\n' lint ;;
    all) printf '%s\n' base test bench peers lint fuzz arm64 ;;
  esac
}

# packages_of LEVEL...: one package per line.
packages_of() {
  package_table | while read -r level packages; do
    # shellcheck disable=SC2086  # the rest of the row is a list
    if [[ " $* " == *" $level "* ]]; then printf '%s\n' $packages; fi
  done
}

# missing_packages PACKAGE...: those that dpkg does not call installed.
missing_packages() {
  local installed name
  # dpkg-query fails if any name is unknown to it, and still answers for the others.
  installed=" $(dpkg-query -W -f '${Package}=${db:Status-Status} ' "$@" 2>/dev/null || true)"
  for name in "$@"; do
    [[ $installed == *" $name=installed "* ]] || printf '%s\n' "$name"
  done
}

# need VERB: everything that the verb needs is there, or dev ends with one line that says what to do.
need() {
  local levels packages missing
  mapfile -t levels < <(levels_of "$1")
  mapfile -t packages < <(packages_of "${levels[@]}")
  if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
    mapfile -t missing < <(missing_packages "${packages[@]}")
    ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
  else
    note "not Debian or Ubuntu: going on with what is here. Needed, by Debian's names: ${packages[*]}"
  fi
  check_tools "${levels[@]}"
}

is_root() { ((EUID == 0)); }

install_packages() {
  local become=() apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600)
  if ! is_root; then
    become=(sudo)
    [[ -t 0 ]] || become=(sudo -n)
    "${become[@]}" true 2>/dev/null ||
      die 1 "packages are missing, and this is neither root nor able to sudo; as root:" \
        "apt-get install --no-install-recommends $*"
  fi
  note "installing $*"
  step "apt-get update" build/dev-apt-update.log "${become[@]}" "${apt[@]}" update
  step "apt-get install" build/dev-apt-install.log "${become[@]}" "${apt[@]}" install -y --no-install-recommends "$@"
}

check_tools() {
  local wanted=" $* " level command least query
  while read -r level command least query; do
    if [[ $wanted == *" $level "* ]]; then check_tool "$command" "$least" "$query"; fi
  done < <(tool_table)
}

check_tool() {
  local command=$1 least=$2 found="of unknown version"
  command -v "$command" >/dev/null || die 1 "$command not found; version $least or newer is needed"
  # shellcheck disable=SC2086  # the query is a command line
  if [[ $($3 2>&1) =~ (^|[[:space:]])([0-9]+(\.[0-9]+)*) ]]; then found=${BASH_REMATCH[2]}; fi
  at_least "$found" "$least" || die 1 "$command $found found; version $least or newer is needed"
}

# at_least FOUND LEAST, by number and not by text: 3.25.1 is at least 3.9.
at_least() { [[ $1 =~ ^[0-9] && $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }
