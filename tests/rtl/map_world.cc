// SPDX-License-Identifier: Apache-2.0
#include "tests/rtl/map_world.h"

#include <fmt/ostream.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cstring>

#include "interp/memory.h"
#include "sim/board/board.h"
#include "tests/unit/exec_testing.h"

template <>
struct fmt::formatter<forager::rtl::Shape> : fmt::ostream_formatter {};

namespace forager::rtl {
namespace {

using interp::Memory;
using jit::rtl::ChipRoom;
using jit::rtl::CoreMap;

constexpr std::uint32_t kRegion = 21;  // of map 0
constexpr unsigned kInner = 3, kPrograms = 3, kPatience = 20000;
constexpr unsigned kMostTailCalls = 33;
constexpr std::uint32_t kMostValue = 1U << 29;  // of a redirect
constexpr std::uint32_t kInRegisters = 16;      // bytes of a key
constexpr ChipRoom kRoom = {.rows = kRows - kMapRow, .threads = kThreads};

std::uint64_t word_of(const Bytes& key, std::size_t at) {
  std::uint64_t word = 0;
  if (at < key.size()) std::memcpy(&word, key.data() + at, std::min<std::size_t>(key.size() - at, sizeof word));
  return word;
}
std::uint32_t index_of(const Bytes& key) { return static_cast<std::uint32_t>(word_of(key, 0)); }
std::uint64_t error(int result) { return static_cast<std::uint64_t>(std::int64_t{result}); }

// What maps of maps hold; whichever program's map is like it too.
constexpr Shape kInnerShapes[] = {{isa::MapType::hash, 8, 16, 12, 24}, {isa::MapType::array, 4, 24, 9, 16}};

}  // namespace

World::World(std::uint64_t seed, Pace pace, const std::vector<Shape>& shapes)
    : random_(seed),
      seed_(static_cast<std::uint32_t>(random_())),
      engine_(random_(), pace),
      chip_(engine_),
      loader_(engine_, chip_) {
  make_maps(shapes);
  make_programs();
  load();
}

void World::wrong(const std::string& what, const Pending* pending) {
  if (!why_.empty()) return;
  why_ = fmt::format("cycle {}: {}", cycles_, what);
  if (pending != nullptr && pending->map != nullptr)
    why_ += fmt::format(", operation {:#x} of map {} ({})", static_cast<unsigned>(pending->op), pending->map->number(),
                        pending->map->shape());
}

// ---- maps ----------------------------------------------------------------------------------------------------------

void World::make_maps(const std::vector<Shape>& shapes) {
  for (const Shape& shape : shapes) {
    const bool nested = shape.type == isa::MapType::array_of_maps || shape.type == isa::MapType::hash_of_maps;
    const Shape& example = kInnerShapes[random_() % std::size(kInnerShapes)];
    const std::size_t first = inner_.size();
    for (unsigned i = 0; nested && i < kInner; ++i)
      inner_.push_back(std::make_unique<Twin>(example, 0, seed_, random_));
    const auto number = static_cast<std::uint32_t>(maps_.size());
    maps_.push_back(std::make_unique<Twin>(shape, number, seed_, random_, nested ? inner_[first].get() : nullptr));
  }
}

void World::make_programs() {
  for (unsigned i = 0; i < kPrograms; ++i) {
    auto unit = std::make_unique<interp::Unit>();
    unit->verified = exec::testing::verified({}, fmt::format("r0 = {}\nexit", i));
    unit->source = std::make_shared<const exec::MapList>();
    programs_.push_back(std::move(unit));
  }
}

void World::load() {
  jit::rtl::ChipPlan plan{.maps = {}, .room = kRoom};
  exec::MapList chip;
  for (const auto& map : maps_) {
    const auto tables = lay_out(map->chip()->spec(), map->number(), plan.rows(), kRoom);
    if (!tables) return wrong(fmt::format("no room for {}", map->shape()));
    plan.maps.push_back(*tables);
    chip.push_back(map->chip());
  }
  const jit::rtl::ChipPlace place = {
      .row = kMapRow, .descriptors = kTableRow, .loader = &loader_, .threads = kThreads, .seed = seed_};
  const std::vector<verifier::MapUse> uses(chip.size(), verifier::MapUse::read_write);
  if (!chip_.load(plan, chip, uses, kRegion, place)) wrong("the tables cannot be made");
}

void World::change_maps() {
  for (const auto& map : maps_) {
    for (unsigned i = 0; i < 1 + map->shape().keys / 8; ++i) {
      if (map->kind().programs || map->kind().nested) {
        change_words(*map);
      } else {
        map->change(random_);
      }
    }
  }
  for (const auto& map : inner_) map->change(random_);
}

// Of maps that hold programs or maps.
void World::change_words(Twin& map) {
  const Bytes key = map.some_key(random_);
  if (map.kind().programs) {
    const std::size_t which = random_() % (kPrograms + 1);
    exec::ProgramSlot slot;
    if (which < kPrograms) slot = {.id = 1, .program = programs_[which]->verified, .maps = programs_[which]->source};
    for (const MapRef& side : {map.chip(), map.host()}) {
      if (index_of(key) < map.shape().max_entries) std::ignore = side->abilities().programs->set(index_of(key), slot);
    }
    return;
  }
  const Twin& inner = *inner_[random_() % inner_.size()];
  const bool erases = random_() % 8 == 0;
  for (const bool chip : {true, false}) {
    exec::Map& outer = *(chip ? map.chip() : map.host());
    if (erases) {
      std::ignore = outer.erase(key.data());
    } else {
      std::ignore = outer.abilities().maps->set(key.data(), {.id = 1, .map = chip ? inner.chip() : inner.host()}, 0);
    }
  }
}

void World::fill() {
  const auto inner = chip_.take_inner();
  if (!inner || !*inner || !chip_.upload()) return wrong("the tables cannot be filled");
  for (const auto& map : inner_) map->set_number(chip_.number_of(map->chip().get()).value_or(0));
  for (const auto* list : {&maps_, &inner_}) {
    for (const auto& map : *list) map->forget_all();
  }
}

void World::collect() {
  for (const auto* list : {&maps_, &inner_}) {
    for (const auto& map : *list) {
      const auto* entry = chip_.number_of(map->chip().get()) ? chip_.find(map->number()) : nullptr;
      if (entry != nullptr && !map->sound(engine_, *entry->chip)) wrong(fmt::format("bad table of {}", map->shape()));
    }
  }
  if (!chip_.download()) return wrong("the tables cannot be read");
  for (const auto* list : {&maps_, &inner_}) {
    for (const auto& map : *list) {
      if (!map->same()) wrong(fmt::format("other contents of {}", map->shape()));
    }
  }
}

// ---- what threads do -----------------------------------------------------------------------------------------------

bool World::round(unsigned operations) {
  change_maps();
  fill();
  for (Thread& thread : threads_) thread.inner = nullptr;
  unsigned quiet = 0;
  const auto waits = [](const Thread& thread) { return thread.pending.has_value(); };
  while (why_.empty() && (operations > 0 || std::ranges::any_of(threads_, waits))) {
    for (unsigned thread = 0; operations > 0 && thread < kThreads; ++thread) {
      if (threads_[thread].pending || random_() % 2 == 0) continue;
      ask(thread);
      --operations;
    }
    const auto reply = engine_.cycle();
    ++cycles_;
    quiet = reply ? 0 : quiet + 1;
    if (reply) check(*reply);
    if (quiet > kPatience) wrong("the engine stands still");
  }
  if (!engine_.complaint().empty()) wrong(engine_.complaint());
  if (why_.empty()) collect();
  return why_.empty();
}

void World::ask(unsigned number) {
  Thread& thread = threads_[number];
  if (random_() % 128 == 0) {
    engine_.begin(number);
    thread.tail_calls = 0;
  }
  if (thread.inner != nullptr) return ask_of(number, *thread.inner, true);
  ask_of(number, *maps_[random_() % maps_.size()], false);
}

void World::ask_of(unsigned number, Twin& map, bool by_pointer) {
  const jit::rtl::ChipKind& kind = map.kind();
  Pending pending{
      .op = CoreOp::UnitLookup, .map = &map, .key = map.some_key(random_), .value = map.some_value(random_)};
  if (kind.programs) {
    pending.op = CoreOp::UnitTailCall;
  } else if (kind.redirects) {
    pending.op = CoreOp::UnitRedirectMap;
    pending.flags = random_() % 4;
  } else if (kind.kind == CoreMap::Hash && !kind.nested) {
    constexpr CoreOp kOps[] = {CoreOp::UnitLookup, CoreOp::UnitUpdate, CoreOp::UnitUpdate, CoreOp::UnitDelete};
    pending.op = kOps[random_() % std::size(kOps)];
    pending.flags = by_pointer ? 0 : random_() % 64 == 0 ? random_() : random_() % 3;
  }
  Thread& thread = threads_[number];
  engine_.ask(number, operation(pending, by_pointer, thread.pointer));
  thread.inner = nullptr;
  thread.pending = std::move(pending);
}

// As select_maps.cc makes it.
Operation World::operation(const Pending& pending, bool by_pointer, std::uint64_t pointer) const {
  const Twin& map = *pending.map;
  const std::uint32_t key_bytes = map.shape().key_size;
  const std::uint32_t words = map.kind().kind == CoreMap::Hash ? (key_bytes + 3) / 4 : 0;
  const std::uint32_t which = by_pointer ? jit::rtl::kMapByPointer | key_bytes : map.number();
  Operation made{.op = pending.op, .with = static_cast<std::uint16_t>(words << jit::rtl::kMapKeyWordsAt | which)};
  const bool updates = pending.op == CoreOp::UnitUpdate;
  made.other = by_pointer ? pointer : updates ? pending.flags : 0;
  if (updates || key_bytes > kInRegisters) {
    made.with |= jit::rtl::kMapInScratch;
    made.image.resize(jit::rtl::in_words(key_bytes));
    std::ranges::copy(pending.key, made.image.begin());
    if (!updates) in_some_row(made);
  } else {
    made.a = word_of(pending.key, 0);
    made.b = pending.op == CoreOp::UnitRedirectMap ? pending.flags : word_of(pending.key, 8);
  }
  if (!updates) return made;
  const std::uint32_t at = chip_.find(map.number())->chip->value_offset;
  made.image.resize(at + jit::rtl::in_words(map.shape().value_size));
  std::ranges::copy(pending.value, made.image.begin() + at);
  return made;
}

// A key may stand in each row of the scratch but the last.
void World::in_some_row(Operation& operation) const {
  const unsigned row = static_cast<unsigned>(operation.with + std::to_integer<unsigned>(operation.image[0])) % 3;
  operation.image.insert(operation.image.begin(), row * sim::kRowBytes, std::byte{0xa5});
  operation.with |= static_cast<std::uint16_t>(row << jit::rtl::kMapRowAt);
}

// ---- what comes of it ----------------------------------------------------------------------------------------------

void World::check(const Reply& reply) {
  auto& waiting = threads_[reply.thread].pending;
  if (!waiting) return wrong(fmt::format("an answer to thread {}, which did not ask", reply.thread));
  const Pending pending = std::move(*waiting);
  waiting.reset();
  if (reply.host) return check_host(reply, pending);
  const bool redirects = pending.op == CoreOp::UnitRedirectMap;
  if (reply.redirects != redirects) wrong("redirected, or not", &pending);
  if (reply.jump && pending.op != CoreOp::UnitTailCall) wrong("a jump", &pending);
  switch (pending.op) {
    case CoreOp::UnitLookup:
      return pending.map->kind().nested ? check_inner(reply, pending) : check_lookup(reply, pending);
    case CoreOp::UnitRedirectMap:
      return check_redirect(reply, pending);
    case CoreOp::UnitTailCall:
      return check_tail_call(reply, pending);
    default:
      return check_update(reply, pending);
  }
}

// Whoever finds a value may also write it.
void World::check_lookup(const Reply& reply, const Pending& pending) {
  Twin& map = *pending.map;
  auto* expected = static_cast<std::byte*>(map.host()->lookup(pending.key.data(), reply.thread));
  if ((expected == nullptr) != (reply.value == 0)) return wrong("found, or not", &pending);
  if (expected == nullptr) return;
  const std::uint64_t offset = reply.value - Memory::fixed_address(kRegion + 2 * map.number() + 1);
  const std::uint32_t bytes = map.shape().value_size;
  if (!reply.found || offset > reply.bytes || bytes > reply.bytes - offset)
    return wrong(fmt::format("a pointer {:#x} to nothing", reply.value), &pending);
  std::byte* value = engine_.row(reply.row) + offset;
  if (!std::equal(value, value + bytes, expected)) return wrong("another value", &pending);
  map.use(pending.key);
  if (random_() % 2 == 0) return;
  const std::uint64_t at = random_() % bytes;
  value[at] = expected[at] = static_cast<std::byte>(random_());
}

void World::check_inner(const Reply& reply, const Pending& pending) {
  const exec::MapSlot slot = pending.map->host()->abilities().maps->get(pending.key.data());
  const bool there =
      index_of(pending.key) < pending.map->shape().max_entries || pending.map->kind().kind == CoreMap::Hash;
  const auto found = std::ranges::find_if(inner_, [&](const auto& inner) { return inner->host() == slot.map; });
  const bool expected = there && slot.map != nullptr && found != inner_.end();
  const std::uint64_t address = expected ? Memory::fixed_address(kRegion + 2 * (*found)->number()) : 0;
  if (reply.value != address) return wrong(fmt::format("map {:#x}, not {:#x}", reply.value, address), &pending);
  if (reply.found) wrong("a map's own address leads to values", &pending);
  threads_[reply.thread].inner = expected ? found->get() : nullptr;
  threads_[reply.thread].pointer = address;
}

void World::check_update(const Reply& reply, const Pending& pending) {
  Twin& map = *pending.map;
  const bool updates = pending.op == CoreOp::UnitUpdate;
  const bool replaces = updates && map.host()->lookup(pending.key.data(), reply.thread) != nullptr;
  const int expected = updates
                           ? map.host()->update(pending.key.data(), pending.value.data(), pending.flags, reply.thread)
                           : map.host()->erase(pending.key.data());
  if (reply.value != error(expected))
    return wrong(fmt::format("result {}, not {}", static_cast<std::int64_t>(reply.value), expected), &pending);
  seen_.results.emplace(pending.op, expected);
  if (expected != 0) return;
  if (replaces) map.use(pending.key);
  if (!updates) map.forget(pending.key);
}

void World::check_redirect(const Reply& reply, const Pending& pending) {
  exec::Map& map = *pending.map->host();
  const std::uint32_t key = index_of(pending.key);
  const bool there = map.lookup(&key, reply.thread) != nullptr;
  const std::uint64_t verdict = there ? std::uint64_t{XDP_REDIRECT} : pending.flags;
  const auto kind = there ? sim::Redirection::entry : sim::Redirection::none;
  if (reply.value != verdict || reply.redirect_kind != kind) return wrong("another verdict", &pending);
  if (there && key >= kMostValue) wrong("the host is not asked", &pending);
  if (there && (reply.redirect_map != pending.map->number() || reply.redirect_value != key))
    wrong("redirected elsewhere", &pending);
}

void World::check_tail_call(const Reply& reply, const Pending& pending) {
  unsigned& calls = threads_[reply.thread].tail_calls;
  const std::uint32_t index = index_of(pending.key);
  const bool there = index < pending.map->shape().max_entries && calls < kMostTailCalls;
  const exec::ProgramSlot slot = there ? pending.map->host()->abilities().programs->get(index) : exec::ProgramSlot{};
  const auto* resident = slot.program == nullptr ? nullptr : loader_.resident(slot);
  if (slot.program != nullptr && resident == nullptr) return wrong("a jump to a program that is not loaded", &pending);
  if (reply.jump != (resident != nullptr)) return wrong("jumped, or not", &pending);
  if (resident == nullptr && reply.value != 0) return wrong("a result of no jump", &pending);
  if (resident == nullptr) return;
  seen_.tail_calls = std::max(seen_.tail_calls, ++calls);
  if (reply.value != resident->first) wrong("jumped elsewhere", &pending);
}

// ---- what the host is asked for ------------------------------------------------------------------------------------

void World::check_host(const Reply& reply, const Pending& pending) {
  seen_.asked.insert(pending.op);
  if (pending.op == CoreOp::UnitUpdate) {
    update_by_host(reply.thread, pending);
  } else if (pending.op == CoreOp::UnitTailCall) {
    load_program(reply.thread, pending);
  } else if (pending.op == CoreOp::UnitRedirectMap) {
    redirect_by_host(reply, pending);
  } else {
    wrong("the host is asked", &pending);
  }
  engine_.host_done(reply.thread);
}

// As the attendant does it.
void World::update_by_host(unsigned thread, const Pending& pending) {
  const Twin& map = *pending.map;
  collect();
  const bool full =
      map.kind().marked && map.entries().size() == map.shape().max_entries && !map.entries().contains(pending.key);
  if (!full && pending.flags <= BPF_EXIST) return wrong("the host is asked", &pending);
  const int done = map.chip()->update(pending.key.data(), pending.value.data(), pending.flags, thread);
  const int expected = map.host()->update(pending.key.data(), pending.value.data(), pending.flags, thread);
  if (done != expected) wrong(fmt::format("the host says {}, not {}", done, expected), &pending);
  if (done == 0) map.follow_evictions();
  fill();
}

// By a key of more bits than a redirect takes along, if there is an entry.
void World::redirect_by_host(const Reply& reply, const Pending& pending) {
  const std::uint32_t key = index_of(pending.key);
  const bool there = pending.map->host()->lookup(&key, reply.thread) != nullptr;
  if (!there || key < kMostValue) return wrong("the host is asked", &pending);
  if (!reply.redirects || reply.redirect_kind != sim::Redirection::host) wrong("not the host's redirect", &pending);
}

void World::load_program(unsigned thread, const Pending& pending) {
  ++threads_[thread].tail_calls;
  const exec::ProgramSlot slot = pending.map->host()->abilities().programs->get(index_of(pending.key));
  const auto unit = std::ranges::find_if(programs_, [&](const auto& each) { return each->verified == slot.program; });
  if (unit == programs_.end() || loader_.resident(slot) != nullptr) return wrong("the host is asked", &pending);
  if (!loader_.find(**unit, kRoom) || !chip_.show_programs()) wrong("the program cannot be loaded", &pending);
}

}  // namespace forager::rtl
