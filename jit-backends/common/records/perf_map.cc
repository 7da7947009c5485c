// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/records/perf_map.h"

#include <fmt/format.h>
#include <unistd.h>

#include "jit-backends/common/records/code_symbols.h"

namespace forager::jit {

Result<std::unique_ptr<CodeListener>> PerfMap::make(const std::string& directory) {
  auto file = RecordFile::open(fmt::format("{}/perf-{}.map", directory, getpid()));
  if (!file) return std::unexpected(std::move(file.error()));
  return std::unique_ptr<CodeListener>(new PerfMap(std::move(*file)));
}

Result<> PerfMap::added(const PlacedCode& code) {
  if (!file_.mine()) return {};
  const auto base = reinterpret_cast<std::uint64_t>(code.bytes.data());
  strike(base, base + code.bytes.size());
  for (const CodeSymbol& symbol : symbols_of(*code.image)) {
    const std::uint64_t begin = base + symbol.offset;
    const std::string numbers = fmt::format("{:x} {:x}", begin, symbol.size);
    const std::string line = fmt::format("{} {}\n", numbers, symbol.name);
    const auto at = file_.append(std::as_bytes(std::span(line)));
    if (!at) return std::unexpected(at.error());
    lines_[begin] = {.end = begin + symbol.size, .at = *at, .digits = numbers.size()};
  }
  return {};
}

void PerfMap::strike(std::uint64_t begin, std::uint64_t end) {
  auto line = lines_.lower_bound(begin);
  if (line != lines_.begin() && std::prev(line)->second.end > begin) --line;
  while (line != lines_.end() && line->first < end) {
    std::string zeros(line->second.digits, '0');
    zeros[zeros.size() / 2] = ' ';
    file_.patch(line->second.at, std::as_bytes(std::span(zeros)));
    line = lines_.erase(line);
  }
}

}  // namespace forager::jit
