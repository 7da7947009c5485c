// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/select_maps.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "jit-backends/rtl/scratch.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

constexpr std::uint8_t kWord = 11, kSecondWord = 12, kPart = 13;  // the compiler's own registers
constexpr std::uint8_t kMap = 1, kKey = 2, kValue = 3, kIndex = 3, kFlags = 4;
constexpr std::uint32_t kInRegisters = 16;  // bytes of a key

const verifier::ArgumentFacts* arguments_of(const Code& code, std::uint32_t call) {
  const std::uint32_t index = code.facts(call).call.arguments;
  return index == program::kNone ? nullptr : &code.program->call_arguments()[index];
}

class MapCall {
 public:
  // `map`: the map's tables, or of an inner map tables that look like it.
  MapCall(const Code& code, std::uint32_t call, const EngineCall& engine, const ChipMap& map, const Put& put)
      : code_(code),
        call_(call),
        engine_(engine),
        map_(map),
        put_(put),
        spec_(spec_of(engine, code.program->program())) {}

  void run() {
    switch (engine_.op) {
      case CoreOp::UnitRedirectMap:
        return redirect();
      case CoreOp::UnitUpdate:
        return update();
      case CoreOp::UnitTailCall:
        return jump();
      default:
        return find();
    }
  }

 private:
  // A lookup or a deletion.
  void find() {
    Slot slot = operation();
    if (spec_.key_size <= kInRegisters) {
      load_word(kKey, spec_.key_size, 0, kWord);
      slot.a = kWord;
      slot.use_imm = true;
      if (spec_.key_size > 8) {
        load_word(kKey, spec_.key_size, 8, kSecondWord);
        slot.use_imm = false;
        slot.b = kSecondWord;
      }
    } else {
      keep(kKey, spec_.key_size, 0);
      slot = in_scratch(slot);
    }
    Operation made{.slot = slot};
    if (spec_.key_size > kInRegisters) made.reach = reach(kKey, 0, spec_.key_size);
    if (engine_.inner) made.beside = Slot{.b = kMap};
    put(made);
  }

  // The entry to be stands in the scratch.
  void update() {
    keep(kKey, spec_.key_size, 0);
    keep(kValue, spec_.value_size, map_.value_offset);
    Operation made{.slot = in_scratch(operation())};
    made.beside = Slot{.b = engine_.inner ? kMap : kFlags};
    const auto flags = constant(kFlags);
    if (flags && !engine_.inner) made.beside = Slot{.use_imm = true, .imm = *flags};
    put(made);
  }

  void jump() {
    Slot slot = operation();
    slot.a = kIndex;
    slot.use_imm = true;
    put({.slot = slot});
  }

  // The key is an index, by value.
  void redirect() {
    put({.slot = {.op = CoreOp::AluMov, .wide = false, .d = kWord, .b = kKey}});
    Slot slot = operation();
    slot.a = kWord;
    slot.b = kValue;
    if (const auto flags = constant(kValue)) {
      slot.use_imm = true;
      slot.imm = *flags;
    }
    put({.slot = slot});
  }

  [[nodiscard]] Slot operation() const {
    const std::uint32_t words = map_.kind == CoreMap::Hash ? (spec_.key_size + 3) / 4 : 0;
    const std::uint32_t which = engine_.inner ? kMapByPointer : map_.index;
    return {.op = engine_.op, .d = 0, .offset = static_cast<std::uint16_t>(words << kMapKeyWordsAt | which)};
  }
  static Slot in_scratch(Slot slot) {
    slot.use_imm = true;
    slot.offset |= kMapInScratch;
    return slot;
  }

  // Memory goes to the scratch in whole words.
  void keep(std::uint8_t from, std::uint32_t bytes, std::uint32_t to) {
    for (std::uint32_t at = 0; at < bytes; at += 8) {
      load_word(from, bytes, at, kWord);
      put({.slot = {
               .op = CoreOp::LocalKeep, .b = kWord, .offset = static_cast<std::uint16_t>(kEntryScratch + to + at)}});
    }
  }

  // Up to 8 bytes from `at` on, zeros above: in parts of powers of two, where there are fewer.
  void load_word(std::uint8_t base, std::uint32_t bytes, std::uint32_t at, std::uint8_t to) {
    const std::uint32_t end = std::min(bytes, at + 8);
    load(base, at, std::bit_floor(end - at), to);
    for (std::uint32_t from = at + std::bit_floor(end - at); from < end;) {
      const std::uint32_t part = std::bit_floor(end - from);
      load(base, from, part, kPart);
      put({.slot = {.op = CoreOp::AluLsh, .d = kPart, .a = kPart, .use_imm = true, .imm = (from - at) * 8}});
      put({.slot = {.op = CoreOp::AluOr, .d = to, .a = to, .b = kPart}});
      from += part;
    }
  }

  void load(std::uint8_t base, std::uint32_t at, std::uint32_t bytes, std::uint8_t to) {
    const auto size = static_cast<unsigned>(std::countr_zero(bytes));
    put({.slot = {.op = static_cast<CoreOp>(static_cast<unsigned>(CoreOp::Load) | size),
                  .d = to,
                  .a = base,
                  .offset = static_cast<std::uint16_t>(at)},
         .reach = reach(base, at, bytes)});
  }

  [[nodiscard]] Reach reach(std::uint8_t argument, std::uint32_t at, std::uint32_t bytes) const {
    return reach_of_argument(code_, call_, argument, at, bytes);
  }

  [[nodiscard]] std::optional<std::uint32_t> constant(std::uint8_t argument) const {
    const verifier::ArgumentFacts* facts = arguments_of(code_, call_);
    if (facts == nullptr) return std::nullopt;
    const verifier::ValueFact& value = (*facts)[argument - 1U].value;
    if (!value.is_constant() || value.min > INT32_MAX) return std::nullopt;
    return static_cast<std::uint32_t>(value.min);
  }
  void put(Operation operation) const { put_(operation); }

  const Code& code_;
  std::uint32_t call_;
  EngineCall engine_;
  const ChipMap& map_;
  const Put& put_;
  const program::MapSpec& spec_;
};

}  // namespace

// Whose frame memory on the stack is in is known in the main function only: it has no caller.
Reach reach_of_argument(const Code& code, std::uint32_t call, std::uint8_t argument, std::uint32_t at,
                        std::uint32_t bytes) {
  constexpr std::int64_t kFar = 1 << 20;
  const verifier::ArgumentFacts* facts = arguments_of(code, call);
  if (facts == nullptr || code.program->program().subprogram_of(call) != 0) return {};
  const verifier::ArgumentFact& fact = (*facts)[argument - 1U];
  if (fact.offset_min > fact.offset_max || fact.offset_min < -kFar || fact.offset_max > kFar) return {};
  return {.region = fact.region,
          .map = fact.map,
          .frame = 0,
          .first = fact.offset_min + at,
          .last = fact.offset_max + at + bytes - 1};
}

bool select_engine_call(const Code& code, std::uint32_t call, const ChipPlan& plan, const Put& put) {
  const auto engine = engine_call(*code.program, call);
  if (!engine || (engine->op == CoreOp::UnitRedirect && !plan.redirects)) return false;
  if (engine->map == program::kNone) {
    std::uint8_t argument = engine->op == CoreOp::UnitRedirect ? 1 : 2;
    const verifier::ArgumentFacts* facts = arguments_of(code, call);
    // Its upper half is not looked at.
    if (facts != nullptr && (*facts)[argument - 1U].value.is_constant()) {
      const auto by = static_cast<std::uint32_t>((*facts)[argument - 1U].value.min);
      argument = kWord;
      put({.slot = {.op = CoreOp::AluMov, .d = kWord, .use_imm = true, .imm = by}});
    }
    put({.slot = {.op = engine->op, .wide = false, .d = 0, .a = argument, .use_imm = true}});
    return true;
  }
  if (plan.find(engine->map) == nullptr) return false;
  const std::optional<ChipMap> map = engine->inner ? lay_out(spec_of(*engine, code.program->program()), 0, 0, plan.room)
                                                   : std::optional(*plan.find(engine->map));
  if (map) MapCall(code, call, *engine, *map, put).run();
  return map.has_value();
}

}  // namespace forager::jit::rtl
