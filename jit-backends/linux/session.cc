// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/linux/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace forager::jit::linux_kernel {
namespace {

std::vector<const exec::Map*> addresses_of(const exec::ProgramSlot& slot) {
  std::vector<const exec::Map*> out;
  if (slot.maps != nullptr) {
    for (const auto& map : *slot.maps) out.push_back(map.get());
  }
  return out;
}

std::unexpected<Diagnostic> no_map(const program::Program& program, std::size_t index) {
  return fail(ErrorKind::input, EINVAL,
              fmt::format("program '{}': no map is bound as its map {} ('{}')", program.name(), index,
                          program.maps()[index].name));
}

Result<Fd> load_slots(const program::Program& program, const Slots& slots, std::uint32_t frame_slots) {
  const program::Source& source = program.source();
  const bool raw = source.type == isa::ProgType::raw_memory;
  const LoadRequest request{.name = source.name,
                            .prog_type = static_cast<std::uint32_t>(raw ? isa::ProgType::xdp : source.type),
                            .attach_type = source.attach_type,
                            .gpl_compatible = source.gpl_compatible,
                            .xdp_has_frags = source.xdp_has_frags,
                            .slots = slots};
  std::string log;
  const long fd = load_program(request, log);
  if (fd < 0) return std::unexpected(explain_rejection(program, fd, log, frame_slots));
  return Fd(static_cast<int>(fd));
}

}  // namespace

Session::Session(Lanes lanes, KeyValueMirror::Check device_check)
    : context_{.lanes = lanes,
               .device_check = std::move(device_check),
               .loader = [this](const exec::ProgramSlot& slot) { return load(slot); }} {}

Result<std::shared_ptr<const Fd>> Session::load(const exec::ProgramSlot& slot) {
  if (auto fd = find_loaded(slot)) return fd;
  const program::Program& program = slot.program->program();
  if (program.type() == isa::ProgType::raw_memory) {
    return fail(
        ErrorKind::unsupported, ENOTSUP,
        fmt::format("program '{}': the linux backend makes no tail calls to raw-memory programs", program.name()));
  }
  auto maps = twins_of(slot);
  if (!maps) return std::unexpected(std::move(maps.error()));
  auto fd = load_slots(program, with_map_fds(program, *maps), 0);
  if (!fd) return std::unexpected(std::move(fd.error()));
  auto shared = std::make_shared<const Fd>(std::move(*fd));
  loaded_.push_back({slot.program, addresses_of(slot), shared});
  return shared;
}

Result<Fd> Session::load_raw(const exec::ProgramSlot& slot, const RawMemoryMaps& memory) {
  const program::Program& program = slot.program->program();
  auto maps = twins_of(slot);
  if (!maps) return std::unexpected(std::move(maps.error()));
  return load_slots(program, wrap_raw_memory(program, with_map_fds(program, *maps), memory), kRawMemoryFrameSlots);
}

std::shared_ptr<const Fd> Session::find_loaded(const exec::ProgramSlot& slot) {
  std::erase_if(loaded_, [](const Loaded& loaded) { return loaded.fd.expired(); });
  for (const Loaded& loaded : loaded_) {
    if (loaded.program == slot.program && loaded.maps == addresses_of(slot)) return loaded.fd.lock();
  }
  return nullptr;
}

Result<std::vector<int>> Session::twins_of(const exec::ProgramSlot& slot) {
  const auto uses = slot.program->map_uses();
  std::vector<int> fds;
  for (std::size_t i = 0; i < slot.program->program().maps().size(); ++i) {
    const bool bound = slot.maps != nullptr && i < slot.maps->size() && (*slot.maps)[i] != nullptr;
    if (!bound) return no_map(slot.program->program(), i);
    auto mirror = mirror_of((*slot.maps)[i]);
    if (!mirror) return std::unexpected(std::move(mirror.error()));
    const bool reads_only = i < uses.size() && uses[i] <= verifier::MapUse::read_only;
    if (!reads_only) (*mirror)->note_written();
    fds.push_back((*mirror)->fd().get());
  }
  return fds;
}

// A map is filled before a program that uses it is loaded: the kernel's verifier looks into frozen ones. Program
// arrays wait for push(): their programs may use the array itself.
Result<Mirror*> Session::mirror_of(const std::shared_ptr<exec::Map>& map) {
  for (const auto& mirror : mirrors_) {
    if (&mirror->map() == map.get()) return mirror.get();
  }
  auto made = make_mirror(map, context_);
  if (!made) return std::unexpected(std::move(made.error()));
  if (map->spec().type != isa::MapType::prog_array) {
    if (auto filled = (*made)->push(); !filled) return std::unexpected(std::move(filled.error()));
  }
  mirrors_.push_back(std::move(*made));
  return mirrors_.back().get();
}

Result<> Session::push() {
  for (std::size_t i = 0; i < mirrors_.size(); ++i) {  // program arrays may add mirrors
    if (auto done = mirrors_[i]->push(); !done) return done;
  }
  return {};
}

void Session::drain() {
  for (const auto& mirror : mirrors_) mirror->drain();
}

Result<> Session::pull() {
  for (const auto& mirror : mirrors_) {
    if (auto done = mirror->pull(); !done) return done;
  }
  return {};
}

bool Session::stale() {
  return std::any_of(mirrors_.begin(), mirrors_.end(), [](const auto& mirror) { return mirror->stale(); });
}

}  // namespace forager::jit::linux_kernel
