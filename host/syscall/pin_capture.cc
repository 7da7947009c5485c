// SPDX-License-Identifier: Apache-2.0
#include "syscall/pin_capture.h"

#include "syscall/pin_contents.h"
#include "syscall/pin_records.h"
#include "syscall/process.h"

namespace forager::syscall {
namespace {

using runtime::BtfObject;
using runtime::MapObject;
using runtime::ProgramObject;

// Creation adds flags of its own to some types (devmaps), which it would refuse if they were asked for.
std::uint32_t creation_flags(const program::MapSpec& spec) {
  const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(spec.type));
  return row != nullptr ? spec.flags & row->flags : spec.flags;
}

ShapeRecord shape_of(const program::MapSpec& spec) {
  return {.type = static_cast<std::uint32_t>(spec.type),
          .key_size = spec.key_size,
          .value_size = spec.value_size,
          .max_entries = spec.max_entries,
          .flags = creation_flags(spec),
          .extra = spec.extra,
          .name = spec.name,
          .fields = {}};
}

struct Capture {
  Process& process;
  const NumberOf& number_of;

  std::vector<std::byte> operator()(const std::shared_ptr<const BtfObject>& btf) const {
    return pack(BtfRecord{.types = btf->bytes});
  }

  std::vector<std::byte> operator()(const std::shared_ptr<MapObject>& map) const {
    const program::MapSpec& spec = map->spec();
    MapRecord record{.shape = shape_of(spec),
                     .btf = map->btf.object ? number_of(map->btf.object) : 0,
                     .key_type = map->btf.key_type,
                     .value_type = map->btf.value_type,
                     .has_example = spec.inner != nullptr,
                     .example = {},
                     .frozen = map->frozen(),
                     .contents = {}};
    if (spec.inner != nullptr) {
      record.example = shape_of(*spec.inner);
      record.example.fields = spec.inner->fields;
    }
    record.contents =
        read_contents(process, *map, [this](Referent what, std::uint32_t id) { return number(what, id); });
    return pack(record);
  }

  std::vector<std::byte> operator()(const std::shared_ptr<ProgramObject>& program) const {
    const program::Source& source = program->source();
    ProgramRecord record{.name = source.name,
                         .type = static_cast<std::uint32_t>(source.type),
                         .attach_type = source.attach_type,
                         .gpl_compatible = source.gpl_compatible,
                         .xdp_has_frags = source.xdp_has_frags,
                         .slots = source.slots,
                         .btf = program->debug.btf ? number_of(program->debug.btf) : 0,
                         .functions = program->debug.functions,
                         .lines = program->debug.lines,
                         .maps = {},
                         .also_bound = {}};
    for (const auto& map : program->all_maps()) {
      auto& list = record.maps.size() < program->maps.size() ? record.maps : record.also_bound;
      list.push_back(number_of(map));
    }
    return pack(record);
  }

 private:
  [[nodiscard]] std::uint32_t number(Referent what, std::uint32_t id) const {
    if (what == Referent::map) {
      const auto map = process.runtime.maps().find(id);
      return map ? number_of(map) : 0;
    }
    const auto program = process.runtime.programs().find(id);
    return program ? number_of(program) : 0;
  }
};

struct AsKept {
  std::optional<Kept> operator()(const std::shared_ptr<runtime::MapUser>& map) const { return map->object(); }
  // What an iterator reads of the kernel's structures stands elsewhere in the next kernel.
  std::optional<Kept> operator()(const std::shared_ptr<ProgramObject>& program) const {
    return program->source().iterator == nullptr ? std::optional<Kept>(program) : std::nullopt;
  }
  template <class T>
  std::optional<Kept> operator()(const T&) const {
    return std::nullopt;
  }
};

}  // namespace

std::uint32_t id_of(const Kept& object) {
  return std::visit([](const auto& held) { return held->id; }, object);
}

std::optional<Kept> kept(const Object& object) { return std::visit(AsKept{}, object); }

std::vector<std::byte> capture(Process& process, const Kept& object, const NumberOf& number_of) {
  return std::visit(Capture{process, number_of}, object);
}

}  // namespace forager::syscall
