#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check_files.sh [TREE]: the rules that a source file and the public API are held to.
#   - a source file says its licence in its first three lines, and has at most 500 lines
#   - host/include/forager has at most 5 headers, and they include the standard library and each other only
# A rule's offenders are printed as "file: what is wrong". Bash, find and awk only.
#
# Tested by: tests/tools/checks_test.sh, which shows it trees that break each rule.
set -euo pipefail
cd "${1:-.}"

max_lines=500
max_headers=5
bad=0
complain() {
  echo "$1"
  bad=1
}

sources() {
  find . \( -path ./.git -o -path './build*' -o -name corpus -o -name golden \) -prune -o -type f \
    \( -name '*.h' -o -name '*.cc' -o -name '*.c' -o -name '*.def' -o -name '*.sv' -o -name '*.svh' -o -name '*.sh' \
    -o -name '*.cmake' -o -name CMakeLists.txt -o -path ./dev -o -path ./.ci/run \) -printf '%P\0'
}

check_sources() {
  mapfile -d '' -t files < <(sources | sort -z)
  ((${#files[@]})) || { complain "$PWD: no source file found"; return; }
  local found
  found=$(printf '%s\0' "${files[@]}" | xargs -0 awk -v max="$max_lines" '
    function close_file() {
      if (file == "") return
      if (!licence) print file ": no SPDX-License-Identifier in its first three lines"
      if (lines > max) print file ": " lines " lines; limit " max
    }
    FNR == 1 { close_file(); file = FILENAME; licence = 0 }
    FNR <= 3 && /SPDX-License-Identifier: / { licence = 1 }
    { lines = FNR }
    END { close_file() }')
  [[ -z $found ]] || complain "$found"
}

# A header of the public API is read by programs that have none of our libraries: <name> must be the standard
# library (no slash, no .h), "name" must be a header beside it.
check_public_headers() {
  local folder=host/include/forager count header path
  [[ -d $folder ]] || return 0
  count=$(find "$folder" -type f | wc -l)
  ((count <= max_headers)) || complain "$folder: $count public headers; limit $max_headers"
  while read -r header path; do
    case $path in
      \<*[/.]*\>) complain "$header: includes $path, which is not the standard library" ;;
      \<*\>) ;;
      \"forager/*\") [[ -e host/include/${path//\"/} ]] || complain "$header: includes $path, which is not public" ;;
      *) complain "$header: includes $path, which is not public" ;;
    esac
  done < <(find "$folder" -type f -name '*.h' -print0 | sort -z | xargs -0 -r awk '
    /^[ \t]*#[ \t]*include/ { sub(/^[ \t]*#[ \t]*include[ \t]*/, ""); print FILENAME, $1 }')
}

check_sources
check_public_headers
((bad)) || echo "${#files[@]} files: licences, lengths and public headers are in order"
exit "$bad"
