// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/native_object.h"

#include <bpf/btf.h>
#include <dlfcn.h>
#include <elf.h>
#include <fmt/format.h>

#include <cstring>

#include "exec/map.h"

namespace forager::bench {
namespace {

exec::Map& map_at(void* map) { return *static_cast<exec::Map*>(map); }

void* look_up(void* map, const void* key) { return map_at(map).lookup(key, 0); }

long update(void* map, const void* key, const void* value, __u64 flags) {
  return map_at(map).update(key, value, flags, 0);
}

long erase(void* map, const void* key) { return map_at(map).erase(key); }

// Of the ring that the last record was reserved in, as records do not name theirs.
exec::RingProducer* last_ring = nullptr;

void* reserve(void* map, __u64 size) {
  last_ring = map_at(map).abilities().ring;
  return last_ring->reserve(size);
}

void commit(void* record, __u64 flags, int discard) { last_ring->commit(record, flags, discard != 0); }

constexpr native_calls kCalls = {
    .lookup = look_up, .update = update, .erase = erase, .reserve = reserve, .commit = commit, .redirect = 0};

// What native_walk() of native/bpf/bpf_helpers.h takes for granted of a table.
bool walkable(const exec::HashWalk& walk, const exec::MapSpec& spec) {
  const auto words = [](std::uint32_t bytes) { return (bytes + 7U) & ~7U; };
  const std::uint32_t key_at = walk.marked ? exec::HashWalk::kMarkedKey : exec::HashWalk::kKey;
  return walk.value_offset == key_at + words(spec.key_size) &&
         walk.node_bytes == walk.value_offset + words(spec.value_size) &&
         walk.marked == (spec.type == isa::MapType::lru_hash);
}

std::unique_ptr<std::vector<std::uint32_t>> ports_of(exec::Map& map) {
  auto ports = std::make_unique<std::vector<std::uint32_t>>(map.spec().max_entries);
  std::vector<std::byte> value(map.spec().value_size);
  for (std::uint32_t i = 0; i < ports->size(); ++i) {
    if (map.read(&i, value.data(), 0) == 0) std::memcpy(&(*ports)[i], value.data(), sizeof(std::uint32_t));
  }
  return ports;
}

std::unexpected<Diagnostic> odd(const std::string& what) { return fail(ErrorKind::bug, EINVAL, "native: " + what); }

// Of a program or a variable, by its symbol.
std::size_t size_of(const void* address) {
  Dl_info info{};
  void* symbol = nullptr;
  if (dladdr1(address, &info, &symbol, RTLD_DL_SYMENT) == 0 || symbol == nullptr) return 0;
  return static_cast<const Elf64_Sym*>(symbol)->st_size;
}

}  // namespace

void NativeObject::Close::operator()(void* handle) const { dlclose(handle); }

Result<NativeObject> NativeObject::open(Stage& stage) {
  const std::string path = fmt::format("{}/{}.so", FORAGER_NATIVE_PROGRAMS, stage.name());
  NativeObject out;
  out.handle_.reset(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (out.handle_ == nullptr) return fail(ErrorKind::unsupported, ENOENT, "the program has no native twin");
  out.program_ = reinterpret_cast<native_program>(dlsym(out.handle_.get(), stage.name().c_str()));
  out.calls_ = static_cast<native_calls*>(dlsym(out.handle_.get(), "native_calls"));
  if (out.program_ == nullptr || out.calls_ == nullptr) return odd(path + " lacks its program");
  *out.calls_ = kCalls;
  out.code_bytes_ = size_of(reinterpret_cast<const void*>(out.program_));
  for (const auto& object : stage.program().maps) {
    if (object->spec().name.contains('.')) continue;
    if (auto bound = out.bind(*object->map); !bound) return std::unexpected(std::move(bound.error()));
  }
  return out;
}

Result<> NativeObject::bind(exec::Map& map) {
  const exec::MapSpec& spec = map.spec();
  auto* native = static_cast<native_map*>(dlsym(handle_.get(), spec.name.c_str()));
  if (native == nullptr) return odd("there is no map " + spec.name);
  if (size_of(native) < sizeof(native_map)) return odd("there is no room in map " + spec.name);
  if (map.abilities().programs != nullptr) return {};  // the compiler filled it in
  const exec::DirectLookup direct = map.direct_lookup(0);
  *native = {.base = direct.base, .direct = direct.function, .object = direct.object, .map = &map};
  const bool is_indexed = direct.kind == exec::DirectLookup::Kind::indexed;
  if (is_indexed && direct.stride != ((spec.value_size + 7U) & ~7U)) return odd("another stride in " + spec.name);
  if (const exec::HashWalk* walk = direct.walk; walk != nullptr && spec.type != isa::MapType::percpu_hash) {
    if (!walkable(*walk, spec)) return odd("other nodes in " + spec.name);
    native->first = walk->first;
    native->second = walk->second;
    native->seed = walk->seed;
    native->third = walk->third;
    native->heads = walk->heads;
    native->nodes = reinterpret_cast<const char*>(walk->nodes);
    native->mask = walk->mask;
  }
  if (spec.type == isa::MapType::devmap) {
    ports_.push_back(ports_of(map));
    native->ports = ports_.back()->data();
  }
  return {};
}

void NativeObject::copy_globals(Stage& stage, bool in) {
  const btf* types = stage.engine().object().types();
  for (const auto& object : stage.program().maps) {
    const std::string& name = object->spec().name;
    const std::string section = name.substr(std::min(name.find('.'), name.size()));
    const int id = btf__find_by_name_kind(types, section.c_str(), BTF_KIND_DATASEC);
    if ((section != ".data" && section != ".bss") || id < 0) continue;
    const btf_type* variables = btf__type_by_id(types, static_cast<__u32>(id));
    const btf_var_secinfo* info = btf_var_secinfos(variables);
    for (unsigned i = 0; i < btf_vlen(variables); ++i) {
      const btf_type* variable = btf__type_by_id(types, info[i].type);
      void* here = dlsym(handle_.get(), btf__name_by_offset(types, variable->name_off));
      std::byte* there = object->map->memory().base + info[i].offset;
      if (here != nullptr) std::memcpy(in ? here : there, in ? there : here, info[i].size);
    }
  }
}

}  // namespace forager::bench
