// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/unit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "exec/host_helpers.h"
#include "jit-backends/common/runtime.h"
#include "program/map_shape.h"

namespace forager::jit {
namespace {

class Linker {
 public:
  Linker(const Unit& unit, const LinkOptions& options) : unit_(unit), options_(options) {}

  Result<> write(std::span<std::byte> memory) const {
    const MachineCode& code = unit_.image->code();
    std::ranges::copy(code.bytes, memory.begin());
    for (const Relocation& relocation : code.relocations) {
      const auto address = resolve(relocation.symbol);
      if (!address) return std::unexpected(address.error());
      apply(memory, relocation, *address + relocation.addend);
    }
    return {};
  }

 private:
  Result<std::uint64_t> resolve(const Symbol& symbol) const {
    switch (symbol.kind) {
      case Symbol::Kind::helper:
        return helper(symbol.index);
      case Symbol::Kind::service:
        if (symbol.index == static_cast<std::uint32_t>(Service::look_up)) {
          const auto built = helper(static_cast<std::uint32_t>(exec::HelperId::map_lookup_elem));
          if (!built) return built;
        }
        return number(address_of(static_cast<Service>(symbol.index)));
      case Symbol::Kind::map:
        return number(unit_.maps[symbol.index].get());
      case Symbol::Kind::map_memory:
        return number(unit_.maps[symbol.index]->memory().base);
      case Symbol::Kind::lookup_base:
        return number(direct(symbol.index).base);
      case Symbol::Kind::lookup_function:
        return number(reinterpret_cast<const void*>(direct(symbol.index).function));
      case Symbol::Kind::lookup_object:
        return number(direct(symbol.index).object);
      case Symbol::Kind::lookup_walk:
        return number(walk(symbol.index));
    }
    return fail(ErrorKind::bug, EINVAL, "a symbol of machine code that nobody knows");
  }

  static std::uint64_t number(const void* address) { return reinterpret_cast<std::uint64_t>(address); }
  [[nodiscard]] exec::DirectLookup direct(std::uint32_t map) const {
    exec::Map& of = *unit_.maps[map];
    const exec::DirectLookup way = of.direct_lookup(options_.cpu);
    if (way.kind != exec::DirectLookup::Kind::none) return way;
    return {.kind = exec::DirectLookup::Kind::function, .function = look_up_any, .object = &of};
  }

  // Code marks entries of LRU maps only. A map that cannot be walked as its code expects gets a table whose only entry
  // is gone, which makes code ask the function.
  [[nodiscard]] const exec::HashWalk* walk(std::uint32_t map) const {
    alignas(8) static constexpr std::array<std::byte, 32> kGone{};
    static constexpr std::array<std::uint32_t, 1> kHeads = {1};
    static constexpr exec::HashWalk kAsk = {.heads = kHeads.data(), .nodes = kGone.data()};
    const exec::HashWalk* found = direct(map).walk;
    const bool marked = unit_.program().maps()[map].type == isa::MapType::lru_hash;
    return found != nullptr && found->marked == marked ? found : &kAsk;
  }

  Result<std::uint64_t> helper(std::uint32_t id) const {
    const exec::HelperFn function = id < options_.helpers.size() ? options_.helpers[id] : nullptr;
    if (function != nullptr) return number(reinterpret_cast<const void*>(function));
    const isa::HelperRow* row = isa::find_helper(id);
    return fail(
        ErrorKind::unsupported, EOPNOTSUPP,
        fmt::format("helper bpf_{} is not built", row == nullptr ? std::to_string(id) : std::string(row->name)));
  }

  void apply(std::span<std::byte> memory, const Relocation& relocation, std::uint64_t address) const {
    if (relocation.kind == Relocation::Kind::absolute) {
      std::memcpy(&memory[relocation.offset], &address, sizeof address);
    } else if (unit_.image->arch() == Arch::x86_64) {
      call_x86(memory, relocation.offset, address);
    } else {
      call_arm64(memory, relocation.offset, address);
    }
  }

  // CALL rel32 counts from its end. A function out of its reach is called by the veneer that the call names as it is.
  static void call_x86(std::span<std::byte> memory, std::uint32_t end, std::uint64_t address) {
    const auto distance = static_cast<std::int64_t>(address - number(memory.data() + end));
    const auto near = static_cast<std::int32_t>(distance);
    if (near == distance) std::memcpy(&memory[end - sizeof near], &near, sizeof near);
  }

  // BL counts words from itself, in 26 bits.
  static void call_arm64(std::span<std::byte> memory, std::uint32_t at, std::uint64_t address) {
    constexpr std::int64_t kReach = std::int64_t{1} << 27;
    const auto distance = static_cast<std::int64_t>(address - number(memory.data() + at));
    if (distance < -kReach || distance >= kReach) return;
    const std::uint32_t insn = 0x94000000U | (static_cast<std::uint32_t>(distance >> 2) & 0x03ffffffU);
    std::memcpy(&memory[at], &insn, sizeof insn);
  }

  const Unit& unit_;
  const LinkOptions& options_;
};

// The code has an array's size and stride in it.
bool as_compiled(exec::Map& map, const program::MapSpec& spec, unsigned cpu) {
  if (spec.type != isa::MapType::array && spec.type != isa::MapType::percpu_array) return true;
  const exec::DirectLookup direct = map.direct_lookup(cpu);
  return direct.kind == exec::DirectLookup::Kind::indexed && map.spec().max_entries == spec.max_entries &&
         direct.stride == stride_of(spec);
}

}  // namespace

Result<> bind(Unit& unit, std::uint32_t index, std::shared_ptr<exec::Map> map) {
  const program::Program& program = unit.program();
  if (index >= program.maps().size()) {
    return fail(ErrorKind::input, EINVAL, fmt::format("program {} has no map number {}", program.name(), index));
  }
  const program::MapSpec& spec = program.maps()[index];
  if (map == nullptr || !program::same_shape(map->spec(), spec) || !as_compiled(*map, spec, 0)) {
    return fail(ErrorKind::input, EINVAL,
                fmt::format("map {} of program {} bound to a map of another shape", spec.name, program.name()));
  }
  unit.maps[index] = std::move(map);
  return {};
}

Result<> link(Unit& unit, const LinkOptions& options) {
  const Linker linker(unit, options);
  auto memory = Executable::make(unit.image->code().bytes.size(),
                                 [&](std::span<std::byte> bytes) { return linker.write(bytes); });
  if (!memory) return std::unexpected(std::move(memory.error()));
  unit.entry = {};  // of what stood there before
  unit.memory = std::move(*memory);
  unit.entry = CodeRegistry::of_process().add({.image = unit.image, .bytes = unit.memory.code()});
  return {};
}

}  // namespace forager::jit
