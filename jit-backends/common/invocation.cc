// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/invocation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "exec/invocation.h"

namespace forager::jit {
namespace {

using Enter = std::uint64_t (*)(Cells*, const void* function);

std::uint64_t number(const void* address) { return reinterpret_cast<std::uint64_t>(address); }

bool inside(std::uint64_t address, std::size_t size, const void* base, std::size_t bytes) {
  return address >= number(base) && size <= bytes && address - number(base) <= bytes - size;
}

}  // namespace

Invocation::Invocation(const exec::DeviceOptions& options, Compile compile) : options_(options), compile_(compile) {
  run_.environment = options.environment != nullptr ? options.environment : &no_environment_;
  run_.cpu = options.cpu;
  run_.random_state = options.seed;
  run_.ports = options_.ports;
  run_.memory = this;
  run_.calls = this;
  cells_->run = &run_;
  cells_->cpu = options.cpu;
  cells_->owner = this;
}

// ---- programs ------------------------------------------------------------------------------------------------------

void Invocation::load(std::shared_ptr<const JitImage> image) {
  forget_targets();
  loaded_ = std::make_unique<Unit>();
  loaded_->maps.resize(image->program().program().maps().size());
  loaded_->image = std::move(image);
  whole_context_ = loaded_->program().context()->size <= exec::kMaxContextBytes;
  raw_memory_ = loaded_->program().type() == isa::ProgType::raw_memory;
  ready_ = false;
}

Result<> Invocation::bind(std::uint32_t index, std::shared_ptr<exec::Map> map) {
  if (loaded_ == nullptr) return fail(ErrorKind::bug, EINVAL, "a map was bound before a program was loaded");
  ready_ = false;  // its code names the maps
  return jit::bind(*loaded_, index, std::move(map));
}

Result<> Invocation::prepare() {
  constexpr std::size_t kMany = 64;
  if (!ready_ || targets_.size() > kMany) forget_targets();
  if (ready_) return {};
  if (loaded_ == nullptr) return fail(ErrorKind::bug, EINVAL, "no program is loaded");
  for (std::size_t i = 0; i < loaded_->maps.size(); ++i) {
    if (loaded_->maps[i] != nullptr) continue;
    return fail(
        ErrorKind::bug, EINVAL,
        fmt::format("map {} of program {} is not bound", loaded_->program().maps()[i].name, loaded_->program().name()));
  }
  if (auto linked = link(*loaded_, link_options()); !linked) return linked;
  enter_ = loaded_->at(loaded_->image->code().enter);
  main_ = loaded_->function(0);
  ready_ = true;
  return {};
}

LinkOptions Invocation::link_options() const { return {.helpers = run_.environment->helpers, .cpu = options_.cpu}; }

Result<const Unit*> Invocation::find(const exec::ProgramSlot& slot) {
  const auto known = std::ranges::find_if(targets_, [&](const auto& unit) {
    return &unit->image->program() == slot.program.get() && unit->source == slot.maps;
  });
  if (known != targets_.end()) return known->get();
  const std::size_t needed = slot.program->program().maps().size();
  if (needed != (slot.maps == nullptr ? 0 : slot.maps->size())) {
    return fail(ErrorKind::bug, EINVAL, "the target of a tail call came without its maps");
  }
  auto image = compile_(slot.program, loaded_->image->options());
  if (!image) return std::unexpected(std::move(image.error()));
  auto unit = std::make_unique<Unit>();
  unit->image = std::static_pointer_cast<const JitImage>(*image);
  unit->maps.resize(needed);
  for (std::uint32_t i = 0; i < needed; ++i) {
    if (auto bound = jit::bind(*unit, i, (*slot.maps)[i]); !bound) return std::unexpected(std::move(bound.error()));
  }
  if (auto linked = link(*unit, link_options()); !linked) return std::unexpected(std::move(linked.error()));
  unit->source = slot.maps;
  return targets_.emplace_back(std::move(unit)).get();
}

const void* Invocation::tail_call(exec::Map& map, std::uint64_t index) {
  const auto slot = static_cast<std::uint32_t>(index);
  if (cells_->tail_calls == isa::kMaxTailCalls) return nullptr;
  Jump& jump = jumps_[slot % kJumps];
  if (!jump.holds(map, slot) && !find_jump(map, slot, jump)) return nullptr;
  ++cells_->tail_calls;
  running_ = jump.target;
  run_.program = &jump.target->image->program();
  return jump.code;
}

// False if the slot leads nowhere, which is not remembered: a program of the wrong sort is told of each time.
bool Invocation::find_jump(const exec::Map& map, std::uint32_t index, Jump& jump) {
  jump = {};
  const exec::ProgramTable* programs = map.abilities().programs;
  if (programs == nullptr || index >= map.spec().max_entries) return false;
  const std::uint64_t changes = programs->changes().load(std::memory_order_acquire);
  const Unit* target = look_up_target(*programs, index);
  if (target == nullptr) return false;
  jump = {&map, &programs->changes(), changes, index, target, target->function(0)};
  return true;
}

const Unit* Invocation::look_up_target(const exec::ProgramTable& programs, std::uint32_t index) {
  const exec::ProgramSlot slot = programs.get(index);
  if (slot.program == nullptr) return nullptr;
  if (slot.program->program().type() != loaded_->program().type()) {
    fail_at(Stop::fault, "tail call to a program of another type");
    return nullptr;
  }
  const Result<const Unit*> target = find(slot);
  if (target) return *target;
  fail_at(Stop::fault, target.error().message);
  return nullptr;
}

void Invocation::forget_targets() {
  targets_.clear();
  jumps_ = {};
}

// The generated code sees it and leaves.
void Invocation::fail_at(Stop stop, std::string message) {
  cells_->stop = stop;
  cells_->stopped_at = program::kNone;  // it is not known here
  message_ = std::move(message);
}

// ---- one invocation ------------------------------------------------------------------------------------------------

void Invocation::start(exec::Frame& frame) {
  frame.clear_results();
  run_.frame = &frame;
  run_.program = &loaded_->image->program();
  running_ = loaded_.get();
  cells_->frame = &frame;
  cells_->stop = Stop::none;
  cells_->tail_calls = 0;
  cells_->frame_pointer = cells_->stack[0].data() + isa::kStackBytes;
  refresh();
  show_context();
}

void Invocation::show_context() {
  exec::Frame& frame = *cells_->frame;
  const std::span<std::byte> context = whole_context_ ? std::span<std::byte>(frame.context) : frame.packet();
  cells_->context = context.data();
  cells_->context_end = context.data() + context.size();
}

void Invocation::refresh() {
  exec::Frame& frame = *cells_->frame;
  std::byte* buffer = frame.buffer();
  cells_->packet = buffer + frame.data();
  cells_->packet_end = buffer + frame.data_end();
  cells_->packet_meta = buffer + frame.data_meta();
  cells_->socket = frame.socket == nullptr ? nullptr : frame.socket->view.data();
}

std::uint64_t Invocation::enter(const void* function) {
  return reinterpret_cast<Enter>(const_cast<void*>(enter_))(cells_.get(), function);
}

void Invocation::run(exec::Frame& frame) {
  start(frame);
  if (raw_memory_) {
    const std::span<std::byte> memory = frame.packet();
    cells_->arguments = {memory.empty() ? 0 : number(memory.data()), memory.size(), 0, 0, 0};
  } else {
    cells_->arguments[0] = number(&frame);
  }
  finish(enter(main_));
  ++counters_.packets;
}

void Invocation::finish(std::uint64_t r0) {
  if (cells_->stop == Stop::none && exec::holds_nothing(run_)) [[likely]] {
    run_.frame->return_value = raw_memory_ ? r0 : static_cast<std::uint32_t>(r0);
    return;
  }
  std::unique_ptr<Diagnostic> trap = cells_->stop == Stop::none ? nullptr : reason();
  const std::size_t left = exec::discard_open_records(run_);
  if (left != 0 && trap == nullptr) trap = std::make_unique<Diagnostic>(exec::left_open(left));
  exec::let_go(run_);
  if (trap != nullptr) ++counters_.traps;
  exec::set_results(*run_.frame, loaded_->program().type(), r0, std::move(trap));
}

std::unique_ptr<Diagnostic> Invocation::reason() {
  const program::Program& program = running_->program();
  auto trap = std::make_unique<Diagnostic>();
  trap->kind = cells_->stop == Stop::limit ? ErrorKind::limit : ErrorKind::rejected;
  trap->error = cells_->stop == Stop::bounds ? EACCES : EINVAL;
  trap->message = cells_->stop == Stop::bounds ? "access outside the memory that the program was given" : message_;
  if (run_.fault != nullptr) trap->message = std::exchange(run_.fault, nullptr);
  if (cells_->stopped_at < program.instructions().size()) {
    trap->instruction = program.instructions()[cells_->stopped_at].slot;
    trap->source = program.source_line(cells_->stopped_at);
  }
  return trap;
}

// ---- functions that helpers call, and memory that they read --------------------------------------------------------

const Unit& Invocation::unit_of(const void* address) const {
  if (loaded_->holds(address)) return *loaded_;
  for (const auto& unit : targets_) {
    if (unit->holds(address)) return *unit;
  }
  return *loaded_;
}

std::optional<std::uint64_t> Invocation::call(std::uint64_t function,
                                              std::span<const exec::CallbackArgument> arguments) {
  using Kind = exec::CallbackArgument::Kind;
  std::byte* const frame = cells_->frame_pointer;
  const std::byte* const last = cells_->stack.back().data();
  if (frame > last) {
    fail_at(Stop::limit, "calls nest too deep, in frames");
    return std::nullopt;
  }
  cells_->frame_pointer = frame + isa::kStackBytes;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const exec::CallbackArgument& argument = arguments[i];
    cells_->arguments[i] = argument.kind == Kind::map ? number(argument.map) : argument.value;
  }
  const std::uint64_t result = enter(reinterpret_cast<const void*>(function));
  cells_->frame_pointer = frame;
  if (cells_->stop != Stop::none) return std::nullopt;
  return result;
}

exec::TimerCallback Invocation::keep(std::uint64_t function) const {
  const Unit& unit = unit_of(reinterpret_cast<const void*>(function));
  const auto subprograms = unit.program().subprograms();
  exec::TimerCallback callback{.program = unit.image->shared_program(),
                               .maps = std::make_shared<const exec::MapList>(unit.maps)};
  for (std::uint32_t i = 0; i < subprograms.size(); ++i) {
    if (number(unit.function(i)) == function) callback.function = subprograms[i].begin;
  }
  return callback;
}

Result<> Invocation::run_async(const exec::AsyncCall& call) {
  const auto subprograms = loaded_->program().subprograms();
  const auto found = std::ranges::find(subprograms, call.function, &program::Subprogram::begin);
  const auto number_of = static_cast<std::uint32_t>(found - subprograms.begin());
  const bool known = found != subprograms.end() && loaded_->image->code().functions[number_of] != program::kNone;
  if (!known || call.map == nullptr || call.value == nullptr) {
    return fail(ErrorKind::input, EINVAL, fmt::format("no callback at instruction {}", call.function));
  }
  exec::Frame frame;
  start(frame);
  std::vector<std::byte> key(call.map->spec().key_size);
  std::copy_n(static_cast<const std::byte*>(call.key), key.size(), key.begin());
  cells_->arguments = {number(call.map.get()), number(key.data()), number(call.value), 0, 0};
  finish(enter(loaded_->function(number_of)));
  if (frame.results().trap == nullptr) return {};
  return std::unexpected(std::move(*frame.change_results().trap));
}

// What a helper reads by an address that its row does not describe (%s of bpf_trace_printk): the program's own stack,
// its packet and context, and arrays. Other memory of the process is none of the program's.
bool Invocation::read(std::uint64_t address, std::span<std::byte> to) const {
  const exec::Frame& frame = *cells_->frame;
  bool allowed =
      inside(address, to.size(), cells_->stack.data(), sizeof cells_->stack) ||
      inside(address, to.size(), frame.packet().data(), frame.packet().size()) ||
      inside(address, to.size(), cells_->context, static_cast<std::size_t>(cells_->context_end - cells_->context));
  for (const auto& map : running_->maps) {
    const exec::MapMemory memory = map->memory();
    allowed = allowed || (memory.base != nullptr && inside(address, to.size(), memory.base, memory.size));
  }
  if (allowed) std::memcpy(to.data(), reinterpret_cast<const void*>(address), to.size());
  return allowed;
}

}  // namespace forager::jit
