#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check_layers.sh [TREE]: every include in host, jit-backends and sim goes to its own layer or down, by layers.txt.
# Include paths start at the root, host/ or host/include/, so a file's own path, less that prefix, is looked up in the
# same table as what it includes. Bash and awk only: a fresh Debian has no Python.
#
# Tested by: tests/tools/checks_test.sh, which shows it trees that break each rule.
set -euo pipefail
table=$(dirname "$(readlink -f "$0")")/layers.txt
cd "${1:-.}"

folders=()
for folder in host jit-backends sim; do
  [[ -d $folder ]] && folders+=("$folder")
done
((${#folders[@]})) || { echo "$PWD: no host, jit-backends or sim folder" >&2; exit 2; }

find "${folders[@]}" -type f \( -name '*.h' -o -name '*.cc' -o -name '*.c' -o -name '*.def' -o -name '*.in' \) -print0 |
  sort -z | xargs -0 -r awk -v table="$table" '
    function row_of(path,   row, best) {
      best = ""
      for (row in level) if (index(path, row) == 1 && length(row) > length(best)) best = row
      return best
    }
    function complain(message) { print FILENAME ":" FNR ": " message; bad = 1 }
    BEGIN {
      while ((getline line < table) > 0)
        if (line !~ /^#/ && split(line, field, " ") == 3) { level[field[1]] = field[2]; group[field[1]] = field[3] }
    }
    FNR == 1 {
      own = FILENAME
      sub(/^host\/include\//, "", own)
      sub(/^host\//, "", own)
      from = row_of(own)
      if (from == "") complain("no row of layers.txt covers this file")
      checked++
    }
    /^[ \t]*#[ \t]*include[ \t]*["<]/ {
      path = $0
      sub(/^[^"<]*["<]/, "", path)
      quoted = $0 ~ /^[^"<]*"/
      sub(/[">].*$/, "", path)
      if (path ~ /(^|\/)\.\.?\//) { complain("\"" path "\": name a path from the root or host/, not a relative one"); next }
      to = row_of(path)
      if (to == "") {
        if (quoted && path ~ /\//) complain("\"" path "\": in no layer; a library is included with <>")
        next
      }
      if (from == "" || from == to) next
      if (level[to] + 0 > level[from] + 0)
        complain("\"" path "\" is on level " level[to] ", above " from " on level " level[from])
      else if (level[to] == level[from] && group[to] == group[from] && group[to] != "-")
        complain("\"" path "\" is a peer: " from " and " to " never include each other")
    }
    END {
      if (!bad) print checked " files: every include goes down"
      exit bad
    }' || exit 1
