// SPDX-License-Identifier: Apache-2.0
//
// Mutations: one instruction of a program changed so that, most often, one of its checks is gone or off by one.
//
// Why on instructions and not on C: the compiler would fold the change into everything around it, and what a verifier
// must see through is what stands in the object. Every mutation leaves the slots in place, so that jumps, line
// information and map references stay right. Many mutants are still safe, and that is no loss: what counts is that two
// verifiers agree on each.
//
// Tested by: tests/twins/mutate_test.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "isa/isa.h"
#include "tests/twins/subject.h"

namespace forager::twins {

struct Mutation {
  std::uint32_t slot = 0;
  const char* what = "";
  isa::Slot after;
};

[[nodiscard]] std::vector<Mutation> mutations_of(std::span<const isa::Slot> slots);

// The program with the mutation in it.
[[nodiscard]] std::vector<isa::Slot> mutated(std::span<const isa::Slot> slots, const Mutation& mutation);

// How two verdicts on one program stand to each other.
enum class Agreement : std::uint8_t {
  accepted,   // by both
  refused,    // by both
  cut_off,    // one of them gave no verdict: its limit of complexity, or a bug of its own
  unwritten,  // ours refuses a read of stack bytes that were never written, as it means to
  listed,     // ours accepts what the kernel refuses, and divergences.def says why that is safe
  stricter,   // ours refuses what the kernel accepts
  looser,     // ours accepts what the kernel refuses
};
inline constexpr std::size_t kAgreements = 7;
[[nodiscard]] const char* to_string(Agreement agreement);

struct Comparison {
  Agreement agreement{};
  Verdict ours, kernel;
};
[[nodiscard]] Comparison compare(const Subject& subject, const Mutation& mutation);
[[nodiscard]] Comparison compare(const Subject& subject);

}  // namespace forager::twins
