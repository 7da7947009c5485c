# SPDX-License-Identifier: Apache-2.0
#
# configs.yaml as one line for each configuration: its name, then -GNAME=VALUE for each parameter, as both Verilator and
# Yosys take them.
#
# Tested by: tests/tools/configs_test.sh.
/^(#|$)/ { next }
!/^[a-z_]+: \{[A-Z][A-Za-z]*: [0-9]+(, [A-Z][A-Za-z]*: [0-9]+)*\}$/ {
  print FILENAME ":" FNR ": not a configuration: " $0 > "/dev/stderr"
  exit 1
}
{
  gsub(/[{},]/, "")
  gsub(/: /, " ")
  line = $1
  for (i = 2; i < NF; i += 2) line = line " -G" $i "=" $(i + 1)
  print line
}
