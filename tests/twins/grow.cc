// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/grow.h"

#include "tests/twins/text.h"

namespace forager::twins {
namespace {

using Count = std::uint32_t;

// Helpers, by Linux's numbers.
enum Helper : std::int32_t {
  kLookup = 1,
  kUpdate = 2,
  kDelete = 3,
  kTime = 5,
  kRandom = 7,
  kCpu = 8,
  kAdjustHead = 44,
};
// Maps, by index (source_of).
enum Map : std::int32_t { kTable, kCounters };
constexpr int kValueBytes = 64;

// r0 = the value of kTable's entry 0, or the program ends. Uses the stack's top word.
void look_up(Text& text) {
  text.store(kWord, r10, -4, 0);
  text.copy(r2, r10);
  text.alu(kPlus, r2, -4);
  text.map(r1, kTable);
  text.call(kLookup);
  const auto found = text.jump(kNotEqual, r0, 0);
  text.set(r0, 1);
  text.exit();
  text.land(found);
}

void pass(Text& text) {
  text.set(r0, 2);
  text.exit();
}

// Cases that set r7 to a constant each; all meet behind the switch.
void one_switch(Text& text, Count cases) {
  std::vector<Text::Place> ends;
  text.call(kRandom);
  text.alu(kMask, r0, 0xff);
  for (Count i = 0; i < cases; ++i) {
    const auto next = text.jump(kNotEqual, r0, static_cast<std::int32_t>(i));
    text.copy(r7, r0);
    text.alu(kTimes, r7, static_cast<std::int32_t>(i + 3));
    text.alu(kMask, r7, 0x1f);
    text.store(kByte, r10, -1 - static_cast<int>(i % 16), r7);
    ends.push_back(text.jump());
    text.land(next);
  }
  text.set(r7, 7);
  for (const auto end : ends) text.land(end);
}

void ladder(Text& text, Count size) {
  look_up(text);
  text.copy(r6, r0);
  for (int byte = 8; byte <= 16; byte += 8) text.store(kDouble, r10, -byte, 0);
  for (Count i = 0; i < size; ++i) {
    one_switch(text, 64);
    text.copy(r1, r6);
    text.alu(kPlus, r1, r7);
    text.store(kByte, r1, 0, r7);
  }
  pass(text);
}

// r6 walks the packet by lengths it reads there; r7 is the packet's end.
void parser(Text& text, Count size) {
  text.load(kWord, r6, r1, 0);
  text.load(kWord, r7, r1, 4);
  for (Count i = 0; i < size; ++i) {
    text.copy(r2, r6);
    text.alu(kPlus, r2, 16);
    const auto inside = text.jump(kBelow, r2, r7);
    text.set(r0, static_cast<std::int32_t>(i % 4));
    text.exit();
    text.land(inside);
    text.load(kByte, r3, r6, 1);
    text.alu(kMask, r3, 0xf);
    text.alu(kPlus, r6, r3);
  }
  pass(text);
}

// for (counter = 0; counter < size; counter++) body()
template <class Body>
void loop(Text& text, Register counter, Count size, const Body& body) {
  text.set(counter, 0);
  const auto head = text.here();
  body();
  text.alu(kPlus, counter, 1);
  text.land(text.jump(kBelow, counter, static_cast<std::int32_t>(size)), head);
}

void loops(Text& text, Count size) {
  look_up(text);
  text.copy(r9, r0);
  loop(text, r6, size, [&] {
    loop(text, r7, size, [&] {
      loop(text, r8, size, [&] {
        text.copy(r1, r8);
        text.alu(kMask, r1, kValueBytes - 1);
        text.copy(r2, r9);
        text.alu(kPlus, r2, r1);
        text.load(kByte, r3, r2, 0);
        text.alu(kPlus, r3, r6);
        text.store(kByte, r2, 0, r3);
      });
    });
  });
  pass(text);
}

// Each branch spills a 0 or a 1; the sum of all indexes a map value, so that every one of them counts.
void sum_of_branches(Text& text, Count branches) {
  for (Count i = 0; i < branches; ++i) {
    text.call(kRandom);
    text.store(kDouble, r10, -16 - static_cast<int>(i) * 8, 0);
    const auto zero = text.jump(kBits, r0, 1);
    text.store(kDouble, r10, -16 - static_cast<int>(i) * 8, 1);
    text.land(zero);
  }
  text.set(r7, 0);
  for (Count i = 0; i < branches; ++i) {
    text.load(kDouble, r1, r10, -16 - static_cast<int>(i) * 8);
    text.alu(kPlus, r7, r1);
  }
  text.copy(r2, r6);
  text.alu(kPlus, r2, r7);
  text.store(kByte, r2, 0, 1);
}

void diamonds(Text& text, Count size) {
  look_up(text);
  text.copy(r6, r0);
  for (Count i = 0; i < size; ++i) {
    sum_of_branches(text, 8);
    text.set(r7, 0);
    for (int slot = 0; slot < 8; ++slot) text.store(kDouble, r10, -16 - slot * 8, 0);
  }
  pass(text);
}

void lookups(Text& text, Count size) {
  text.store(kDouble, r10, -16, 0);
  for (Count i = 0; i < size; ++i) {
    text.store(kWord, r10, -4, static_cast<std::int32_t>(i));
    text.copy(r2, r10);
    text.alu(kPlus, r2, -4);
    text.map(r1, i % 2 == 0 ? kTable : kCounters);
    text.call(kLookup);
    const auto null = text.jump(kEqual, r0, 0);
    text.load(kDouble, r1, r0, 0);
    text.alu(kPlus, r1, 1);
    text.store(kDouble, r0, 0, r1);
    text.land(null);
  }
  pass(text);
}

// Function n calls function n+1 twice with a pointer to its own stack; the last one counts there.
void calls(Text& text, Count size) {
  constexpr int kDepth = 6;
  std::vector<Text::Place> unresolved;
  text.store(kDouble, r10, -8, 0);
  for (Count i = 0; i < size; ++i) {
    text.copy(r1, r10);
    text.alu(kPlus, r1, -8);
    unresolved.push_back(text.call_later());
  }
  pass(text);
  for (int depth = 1; depth < kDepth; ++depth) {
    for (const auto place : unresolved) text.land(place);
    unresolved.clear();
    text.copy(r6, r1);
    text.load(kDouble, r2, r6, 0);
    text.store(kDouble, r10, -8, r2);
    for (int twice = 0; twice < 2; ++twice) {
      text.copy(r1, r10);
      text.alu(kPlus, r1, -8);
      unresolved.push_back(text.call_later());
      text.store(kDouble, r6, 0, r0);
    }
    text.exit();
  }
  for (const auto place : unresolved) text.land(place);
  text.load(kDouble, r0, r1, 0);
  text.alu(kPlus, r0, 1);
  text.store(kDouble, r1, 0, r0);
  text.exit();
}

void helpers(Text& text, Count size) {
  text.copy(r6, r1);
  for (int byte = 8; byte <= 80; byte += 8) text.store(kDouble, r10, -byte, 0);
  for (Count i = 0; i < size; ++i) {
    constexpr Helper kPlain[] = {kTime, kRandom, kCpu};
    text.call(kPlain[i % 3]);
    text.store(kWord, r10, -4, r0);
    text.store(kDouble, r10, -72, r0);
    text.copy(r2, r10);
    text.alu(kPlus, r2, -4);
    text.copy(r3, r10);
    text.alu(kPlus, r3, -72);
    text.set(r4, 0);
    text.map(r1, kTable);
    text.call(kUpdate);
    text.store(kDouble, r10, -16, r0);
    text.copy(r2, r10);
    text.alu(kPlus, r2, -4);
    text.map(r1, kTable);
    text.call(kDelete);
    const auto fine = text.jump(kEqual, r0, 0);
    text.load(kDouble, r7, r10, -16);
    text.alu(kOr, r7, r0);
    text.store(kDouble, r10, -16, r7);
    text.land(fine);
  }
  pass(text);
}

void scan(Text& text, Count size) {
  text.load(kWord, r6, r1, 0);
  text.load(kWord, r7, r1, 4);
  text.set(r8, 0);
  std::vector<Text::Place> ends;
  loop(text, r9, size, [&] {
    text.copy(r2, r6);
    text.alu(kPlus, r2, r9);
    text.copy(r3, r2);
    text.alu(kPlus, r3, 1);
    ends.push_back(text.jump(kAbove, r3, r7));
    text.load(kByte, r4, r2, 0);
    text.alu(kPlus, r8, r4);
  });
  for (const auto end : ends) text.land(end);
  pass(text);
}

// Nothing stays in a register: the value's pointer and a bounded index live on the stack between uses.
void spills(Text& text, Count size) {
  look_up(text);
  text.store(kDouble, r10, -16, r0);
  text.call(kRandom);
  text.alu(kMask, r0, 0xf);
  text.store(kDouble, r10, -24, r0);
  for (Count i = 0; i < size; ++i) {
    text.load(kDouble, r1, r10, -16);
    text.load(kDouble, r2, r10, -24);
    const auto low = text.jump(kBelow, r2, 8);
    text.alu(kMinus, r2, 3);
    text.land(low);
    text.store(kDouble, r10, -32, r2);
    text.alu(kPlus, r1, r2);
    text.store(kDouble, r10, -40, r1);
    text.load(kDouble, r3, r10, -40);
    text.load(kByte, r4, r3, 0);
    text.alu(kMask, r4, 0xf);
    text.store(kDouble, r10, -24, r4);
  }
  pass(text);
}

void endless(Text& text, Count) {
  loop(text, r6, 1U << 30U, [&] {
    text.copy(r1, r6);
    text.alu(kMask, r1, 7);
  });
  pass(text);
}

void explosion(Text& text, Count size) {
  look_up(text);
  text.copy(r6, r0);
  sum_of_branches(text, size);
  pass(text);
}

program::MapSpec map_of(isa::MapType type, const char* name) {
  program::MapSpec spec;
  spec.type = type;
  spec.key_size = 4;
  spec.value_size = kValueBytes;
  spec.max_entries = 16;
  spec.name = name;
  return spec;
}

using Writer = void (*)(Text&, Count);
Writer writer_of(Shape shape) {
  constexpr Writer kWriters[] = {ladder,  parser, loops,  diamonds, lookups,  calls,
                                 helpers, scan,   spills, endless,  explosion};
  return kWriters[static_cast<std::size_t>(shape)];
}

}  // namespace

program::Source grow(const Growth& growth) {
  Text text;
  writer_of(growth.shape)(text, growth.size);
  program::Source source;
  source.name = growth.name;
  source.type = isa::ProgType::xdp;
  source.gpl_compatible = true;
  source.slots = text.take();
  source.maps = {map_of(isa::MapType::hash, "table"), map_of(isa::MapType::array, "counters")};
  return source;
}

}  // namespace forager::twins
