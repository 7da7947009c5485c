# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What `dev lint` checks: formatting, clang-tidy, shell scripts, and the tree's own rules (tests/tools). Every check
# runs, and one line for each says how it went; lint fails if any of them does.

tidy_build=build/release
tidy_folders='host|jit-backends|sim'

# Our C and C++ sources, each ended by a zero byte.
sources() {
  find host jit-backends sim tests bench -type f \( -name '*.cc' -o -name '*.c' -o -name '*.h' \) -print0 | sort -z
}

# Our shell scripts, the same way.
scripts() {
  printf '%s\0' dev .ci/run
  find tools tests bench -type f -name '*.sh' -print0 | sort -z
}

lint_all() {
  local failed=()
  check "format" lint_format
  check "shellcheck" lint_scripts
  check "tree rules" lint_tree
  check "clang-tidy" lint_tidy
  ((${#failed[@]} == 0)) || die 1 "lint failed: ${failed[*]}"
  note "lint passed"
}

# check NAME COMMAND: runs in a subshell, so that a failing step does not end the checks after it.
check() {
  local name=$1
  (step "$name" "build/release/dev-lint-${name// /-}.log" "$2") || failed+=("$name")
}

lint_format() { sources | xargs -0 clang-format-19 --dry-run --Werror; }
lint_scripts() { scripts | xargs -0 shellcheck -x; }
lint_tree() { bash tests/tools/check_layers.sh . && bash tests/tools/check_files.sh .; }

# clang-tidy reads what users run; tests and benchmarks, whose headers take it longer than everything else, only where
# `dev lint all` asks for them. It is slow, so a file that passed is not read again until something it sees changes: its key is a hash of its
# command, the configuration and every file of ours that Ninja knows it includes. A passed key is an empty file.
lint_tidy() {
  local passed=$tidy_build/tidy keys=$tidy_build/tidy-keys output=$tidy_build/tidy-output
  mkdir -p "$passed"
  tidy_keys "$tidy_build" | grep -E " ($tidy_folders)/" >"$keys" || return
  [[ -s $keys ]] || { echo "Ninja knows no source that was built"; return 1; }
  while read -r key source; do
    [[ -e $passed/$key ]] || printf '%s %s\0' "$key" "$source"
  done <"$keys" |
    xargs -0 -r -n 1 -P "$(nproc)" bash tools/dev/tidy_one.sh "$tidy_build" "$passed" >"$output" && return
  # A header's fault comes once for each source that includes it.
  awk '/ (error|warning): / && !seen[$0]++' "$output"
  return 1
}

# tidy_keys BUILD: "<key> <source>" for each compiled source of ours.
tidy_keys() {
  local build=$1 salt
  salt=$(tidy_settings | sha256sum | cut -c 1-64)
  ninja -C "$build" -t deps | own_dependencies "$build" | sort -u >"$build/tidy-deps"
  cut -d ' ' -f 2 "$build/tidy-deps" | sort -u | xargs -r sha256sum >"$build/tidy-sums"
  compile_commands "$build" >"$build/tidy-commands"
  awk -v salt="$salt" '
    FNR == 1 { input++ }
    input == 1 { sum[$2] = $1; next }
    input == 2 { command[$1] = $0; next }
    $1 != last { if (last) print text; last = $1; text = $1 " " salt " " command[$1] }
    { text = text " " sum[$2] }
    END { if (last) print text }' "$build/tidy-sums" "$build/tidy-commands" "$build/tidy-deps" |
    while read -r source text; do
      printf '%s %s\n' "$(printf '%s' "$source $text" | sha256sum | cut -c 1-64)" "$source"
    done
}

tidy_settings() {
  clang-tidy-19 --version
  find . -name .clang-tidy -not -path './build*' -print0 | sort -z | xargs -0 cat tools/dev/tidy_one.sh
}

# compile_commands BUILD: "<source> <command>", from what CMake wrote for tools; each is on a line of its own there.
compile_commands() {
  awk -v root="$PWD/" '
    /^ *"command": / { command = $0 }
    /^ *"file": / { split($0, part, "\""); sub(root, "", part[4]); print part[4], command }' "$1/compile_commands.json"
}

# own_dependencies BUILD: from Ninja's dependency log, "<source> <file it reads>" for files of this tree.
own_dependencies() {
  awk -v root="$PWD/" -v build="$1/" '
    /^[^ ]/ { source = "" }
    /^    / {
      path = $1
      if (index(path, root) == 1) path = substr(path, length(root) + 1)
      else if (path ~ /^\//) next
      else path = build path  # ccache with a base_dir gives "../../host/..."
      while (match(path, /[^\/]+\/\.\.\//)) path = substr(path, 1, RSTART - 1) substr(path, RSTART + RLENGTH)
      if (source == "") { source = path; if (source ~ "^" build) source = "-" }
      if (source != "-") print source, path
    }'
}
