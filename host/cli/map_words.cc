// SPDX-License-Identifier: Apache-2.0
#include "cli/map_words.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>

#include "cli/btf_value.h"
#include "cli/map_contents.h"
#include "cli/select.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kShortLine = 24, kShortPart = 16;  // bytes that fit on one line, as bpftool counts

std::size_t slot_bytes(const MapHandle& map) { return (map.value_size + 7U) & ~7U; }

// Per CPU: "value (CPU 00): ..." under the key.
std::string per_cpu_text(const MapHandle& map, const Entry& entry) {
  std::string out = fmt::format("key:\n{}\n", hex_lines(entry.key));
  const std::size_t slot = slot_bytes(map);
  for (std::size_t cpu = 0; (cpu + 1) * slot <= entry.value.size(); ++cpu) {
    out += fmt::format("value (CPU {:02}):{}{}\n", cpu, map.value_size > kShortPart ? '\n' : ' ',
                       hex_lines(entry.value.substr(cpu * slot, map.value_size)));
  }
  return out;
}

std::string plain_text(const MapHandle& map, const Entry& entry) {
  if (map.per_cpu()) return per_cpu_text(map, entry);
  const bool split = map.key_size > kShortPart || map.value_size > kShortPart;
  const bool one_line = map.key_size + map.value_size <= kShortLine && !split;
  const char after = split ? '\n' : ' ';
  std::string out;
  if (map.key_size != 0) out += fmt::format("key:{}{}{}", after, hex_lines(entry.key), one_line ? "  " : "\n");
  if (map.value_size != 0) out += fmt::format("value:{}{}", after, hex_lines(entry.value));
  return out + "\n";
}

// Descriptors that a map takes in a value are an int wide.
std::string descriptor_bytes(const Reference& reference, const MapHandle& map, int fd) {
  std::string out(map.value_size, '\0');
  set_named(reference, out, static_cast<std::uint32_t>(fd));
  return out;
}

Result<std::string> read_named(World& world, const Reference& reference, const MapHandle& map, Words& words) {
  if (reference.what == Referent::program) {
    auto program = take_program(world, words);
    if (!program) return std::unexpected(program.error());
    return descriptor_bytes(reference, map, program->fd);
  }
  auto inner = take_map(world, words);
  if (!inner) return std::unexpected(inner.error());
  return descriptor_bytes(reference, map, inner->fd);
}

}  // namespace

bool is_typed(const MapHandle& map) { return map.types != nullptr && map.value_type != 0; }

Result<std::string> read_key(const MapHandle& map, Words& words) {
  if (map.key_size == 0) return std::string{};
  if (!words.take("key")) return usage_error("'key DATA' is missing");
  return words.bytes("the key", map.key_size);
}

Result<std::string> read_value(World& world, const MapHandle& map, Words& words) {
  if (!words.take("value")) return usage_error("'value VALUE' is missing");
  const auto reference = reference_in(map);
  if (reference && !reference->optional) return read_named(world, *reference, map, words);
  auto value = words.bytes("the value", map.value_size);
  if (!value || !map.per_cpu()) return value;
  std::string slot = *value, out;
  slot.resize(slot_bytes(map));
  while (out.size() < map.host_value_bytes()) out += slot;
  return out;
}

Entry as_shown(const World& world, const MapHandle& map, Entry entry) {
  const auto reference = reference_in(map);
  if (!reference) return entry;
  const std::uint32_t named = named_in(*reference, entry.value);
  set_named(*reference, entry.value, named == 0 ? 0 : world.kept_id(reference->what, named));
  return entry;
}

Json entry_json(const MapHandle& map, const Entry& entry) {
  const MapEntryView view = view_of(map, entry);
  Json out = view.raw;
  if (!view.formatted.is_null()) out["formatted"] = view.formatted;
  return out;
}

std::string entry_text(const MapHandle& map, const Entry& entry) {
  if (!is_typed(map)) return plain_text(map, entry);
  return view_of(map, entry).formatted.dump(4, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string hex_lines(const std::string& bytes) {
  constexpr std::size_t kLine = 16, kGroup = 8;
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i != 0) out += i % kLine == 0 ? "\n" : i % kGroup == 0 ? "  " : " ";
    out += fmt::format("{:02x}", static_cast<unsigned char>(bytes[i]));
  }
  return out;
}

}  // namespace forager::cli
