// SPDX-License-Identifier: Apache-2.0
#include "object_cases.h"

#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>

#include <fmt/format.h>

namespace forager::verifier::golden {
namespace {

constexpr std::uint8_t kWide = 0x18;

struct CloseObject {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

program::MapSpec spec_of(const bpf_map* map) {
  program::MapSpec out;
  out.type = static_cast<isa::MapType>(bpf_map__type(map));
  out.key_size = bpf_map__key_size(map);
  out.value_size = bpf_map__value_size(map);
  out.max_entries = bpf_map__max_entries(map);
  out.flags = bpf_map__map_flags(map);
  out.name = std::string(bpf_map__name(map)).substr(0, 15);
  std::size_t size = 0;
  const void* initial = bpf_map__initial_value(const_cast<bpf_map*>(map), &size);
  if ((out.flags & BPF_F_RDONLY_PROG) != 0 && initial != nullptr && size == out.value_size) {
    const auto* bytes = static_cast<const std::byte*>(initial);
    out.frozen = std::make_shared<const std::vector<std::byte>>(bytes, bytes + size);
  }
  return out;
}

// Maps by index instead of by file descriptor.
void unlink(std::vector<isa::Slot>& slots, const std::map<std::int32_t, std::int32_t>& index_of) {
  for (std::size_t at = 0; at + 1 < slots.size(); ++at) {
    isa::Slot& slot = slots[at];
    if (slot.opcode != kWide) continue;
    ++at;
    const auto found = index_of.find(slot.imm);
    if ((slot.src != BPF_PSEUDO_MAP_FD && slot.src != BPF_PSEUDO_MAP_VALUE) || found == index_of.end()) continue;
    slot.src = slot.src == BPF_PSEUDO_MAP_FD ? BPF_PSEUDO_MAP_IDX : BPF_PSEUDO_MAP_IDX_VALUE;
    slot.imm = found->second;
  }
}

}  // namespace

Result<std::vector<ObjectCase>> cases_of_object(const std::string& path) {
  const std::unique_ptr<bpf_object, CloseObject> object(bpf_object__open_file(path.c_str(), nullptr));
  if (object == nullptr || bpf_object__load(object.get()) != 0) {
    return fail(ErrorKind::input, errno, fmt::format("{}: {}", path, std::strerror(errno)));
  }
  std::vector<program::MapSpec> maps;
  std::map<std::int32_t, std::int32_t> index_of;
  const bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object.get()) {
    index_of[bpf_map__fd(map)] = static_cast<std::int32_t>(maps.size());
    maps.push_back(spec_of(map));
  }
  std::vector<ObjectCase> out;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object.get()) {
    ObjectCase& made = out.emplace_back();
    made.given.file = std::filesystem::path(path).stem().string();
    made.given.name = bpf_program__name(program);
    made.given.setting.type = static_cast<isa::ProgType>(bpf_program__type(program));
    made.given.setting.attach_type = bpf_program__expected_attach_type(program);
    program::Source& source = made.assembled.source;
    source.name = made.given.name;
    source.type = made.given.setting.type;
    source.attach_type = made.given.setting.attach_type;
    source.gpl_compatible = true;
    source.maps = maps;
    const auto* slots = reinterpret_cast<const isa::Slot*>(bpf_program__insns(program));  // the same layout
    source.slots.assign(slots, slots + bpf_program__insn_cnt(program));
    unlink(source.slots, index_of);
  }
  return out;
}

}  // namespace forager::verifier::golden
