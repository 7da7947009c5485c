// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/wave_event.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <optional>
#include <utility>

namespace forager::jit::rtl {
namespace {

constexpr std::pair<std::string_view, WaveEvent::Kind> kKinds[] = {
    {"verdict", WaveEvent::Kind::verdict}, {"packet", WaveEvent::Kind::packet}, {"pc", WaveEvent::Kind::pc}};
constexpr std::string_view kVerdicts[] = {"ABORTED", "DROP", "PASS", "TX", "REDIRECT"};  // linux/bpf.h enum xdp_action

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<std::uint64_t> verdict_in(std::string_view text) {
  constexpr std::string_view kPrefix = "XDP_";
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  for (std::uint64_t i = 0; i < std::size(kVerdicts); ++i) {
    if (kVerdicts[i] == text) return i;
  }
  return number_in(text);
}

}  // namespace

Result<WaveEvent> parse_wave_event(std::string_view text) {
  if (text.empty()) return WaveEvent{};
  const std::size_t colon = text.find(':');
  for (const auto& [name, kind] : kKinds) {
    if (colon == std::string_view::npos || text.substr(0, colon) != name) continue;
    const std::string_view what = text.substr(colon + 1);
    const auto number = kind == WaveEvent::Kind::verdict ? verdict_in(what) : number_in(what);
    if (number) return WaveEvent{.kind = kind, .number = *number};
  }
  return fail(ErrorKind::input, EINVAL,
              fmt::format("no event of a waveform: {}; verdict:ABORTED, packet:7 and pc:12 are such", text));
}

}  // namespace forager::jit::rtl
