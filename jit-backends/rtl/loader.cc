// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "interp/memory.h"
#include "jit-backends/rtl/compile.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

using interp::Memory;

std::uint64_t address_of(const Relocation& relocation, const interp::Unit& unit) {
  const std::uint32_t object = unit.first_region + 2 * relocation.index;
  switch (relocation.kind) {
    case Relocation::Kind::map_object:
      return Memory::fixed_address(object);
    case Relocation::Kind::map_value:
      return Memory::fixed_address(object + 1, relocation.offset);
    case Relocation::Kind::function:
      return Memory::fixed_address(unit.code_region, relocation.index);
  }
  return 0;
}

bool leads(const Slot& slot) { return class_of(slot.op) == CoreClass::Branch || slot.op == CoreOp::ControlCall; }

// As it stands in memory from bundle `first` on.
std::vector<sim::BundleWords> words_of(const CoreProgram& code, const interp::Unit& unit, std::uint32_t first,
                                       std::uint32_t maps) {
  std::vector<Bundle> bundles = code.bundles;
  for (Bundle& bundle : bundles) {
    for (Slot& slot : bundle.slots) {
      if (is_of_engine(slot)) slot.offset = static_cast<std::uint16_t>(slot.offset + maps);
      if (slot.on_map) slot.imm += maps;
      if (leads(slot)) slot.offset = static_cast<std::uint16_t>(slot.offset + first);
    }
  }
  for (const Relocation& relocation : code.relocations) {
    const std::uint64_t address = address_of(relocation, unit);
    bundles[relocation.bundle].slots[0].imm = static_cast<std::uint32_t>(address);
    bundles[relocation.bundle].slots[1].imm = static_cast<std::uint32_t>(address >> 32);
  }
  std::vector<sim::BundleWords> words;
  words.reserve(bundles.size());
  for (const Bundle& bundle : bundles) words.push_back(encode(bundle));
  return words;
}

}  // namespace

Result<> Loader::load(std::shared_ptr<const RtlImage> image, const interp::Unit& unit) {
  residents_.clear();
  next_ = 0;
  auto added = add(std::move(image), unit, 0);
  if (!added) return std::unexpected(std::move(added.error()));
  return {};
}

Result<const Resident*> Loader::add(std::shared_ptr<const RtlImage> image, const interp::Unit& unit,
                                    std::uint32_t maps) {
  const auto room = board_.read(offset_of(CoreRegister::Bundles));
  if (!room) return std::unexpected(room.error());
  if (*room > kMostBundles)
    return fail(ErrorKind::input, ENODEV, fmt::format("no device has instruction memory of {} bundles", *room));
  const std::size_t size = image->code().bundles.size();
  if (next_ + size > *room) {
    auto error = fail(ErrorKind::limit, E2BIG,
                      fmt::format("program {} does not fit the device's instruction memory, in bundles",
                                  image->program().program().name()));
    error.error().limit = *room;
    error.error().asked = next_ + size;
    return error;
  }
  if (auto written = board_.write_bundles(next_, words_of(image->code(), unit, next_, maps)); !written) {
    return std::unexpected(std::move(written.error()));
  }
  residents_.push_back(
      std::make_unique<Resident>(Resident{.image = std::move(image), .unit = &unit, .first = next_, .maps = maps}));
  next_ += static_cast<std::uint32_t>(size);
  return residents_.back().get();
}

Result<const Resident*> Loader::find(const interp::Unit& unit, const ChipRoom& room) {
  const auto found = std::ranges::find(residents_, &unit, [](const auto& each) { return each->unit; });
  if (found != residents_.end()) return found->get();
  auto image = compile(unit.verified, options_, Maps::programs, room);
  if (!image) return std::unexpected(std::move(image.error()));
  if (are_as_planned((*image)->code().chip, unit.program(), unit.maps)) {
    const auto maps = chip_.add((*image)->code().chip, unit.maps);
    if (!maps) return std::unexpected(maps.error());
    if (*maps) return add(std::move(*image), unit, **maps);
  }
  image = compile(unit.verified, options_, Maps::on_host, room);
  if (!image) return std::unexpected(std::move(image.error()));
  return add(std::move(*image), unit, 0);
}

const Resident* Loader::resident(const exec::ProgramSlot& slot) const {
  const auto found = std::ranges::find_if(residents_, [&](const auto& each) {
    return each->unit->verified == slot.program && each->unit->source == slot.maps;
  });
  return found == residents_.end() ? nullptr : found->get();
}

const Resident* Loader::at(std::uint32_t pc) const {
  for (const auto& each : residents_) {
    if (pc >= each->first && pc - each->first < each->image->code().bundles.size()) return each.get();
  }
  return nullptr;
}

}  // namespace forager::jit::rtl
