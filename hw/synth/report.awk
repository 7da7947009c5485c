# SPDX-License-Identifier: Apache-2.0
#
# What device.ys said, as rows of a table: LUTs of logic, LUTs of memory and shift registers, flip-flops, block RAMs of
# 36 Kbit, DSPs, the longest path in ns and the cells on it. -v config=NAME goes in front.
#
# Tested by: tests/tools/synth_report_test.sh.
function lutram(cell, count) {
  if (cell ~ /^RAM(32M|64M|128X1D)$/ || cell == "RAM256X1S") return 4 * count
  if (cell ~ /^RAM(32|64)X1D$/ || cell == "RAM128X1S") return 2 * count
  if (cell ~ /^RAM(32|64)X1S$/ || cell ~ /^SRL/) return count
  return 0
}
{ gsub(/\033\[[0-9;]*m/, "") }
/^AREA / { part = $2; inside = "area"; next }
/^PATH / { part = $2; inside = "path"; next }
# Of several lists the last counts: that of the whole, where there are modules below.
inside == "area" && / cells$/ { lut[part] = memory[part] = ff[part] = bram[part] = dsp[part] = 0 }
inside == "area" && NF == 2 && $1 ~ /^[0-9]+$/ {
  if ($2 ~ /^LUT[1-6]$/) lut[part] += $1
  else if ($2 ~ /^FD[RSCP]E/) ff[part] += $1
  else if ($2 ~ /^RAMB36/) bram[part] += $1
  else if ($2 ~ /^RAMB18/) bram[part] += $1 / 2
  else if ($2 ~ /^DSP48/) dsp[part] += $1
  else memory[part] += lutram($2, $1)
}
inside == "path" && /^Latest arrival time/ { delay[part] = substr($NF, 1, length($NF) - 1) / 1000; next }
inside == "path" && /^ +[0-9]+ .*\(.*->.*\)$/ { cells[part]++ }
END {
  for (i = split("core device", parts, " "); i > 0; i--)
    if (!(parts[i] in lut) || !(parts[i] in delay)) { print "no area or path of the " parts[i] > "/dev/stderr"; exit 1 }
  for (i = 1; i <= 2; i++) {
    part = parts[i]
    printf "| %s | %s | %d | %d | %d | %g | %d | %.2f | %d |\n", config, part, lut[part], memory[part], ff[part],
      bram[part], dsp[part], delay[part], cells[part]
  }
}
