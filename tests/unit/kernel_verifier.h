// SPDX-License-Identifier: Apache-2.0
//
// The running kernel's verifier as an oracle for the tables: would Linux load this program, create this map?
//
// It speaks bpf(2) itself, without libbpf, so that nothing of ours can stand between. Everything it opens is closed
// when the answer is there. A machine where bpf(2) is not permitted gives a reason to skip.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "isa/isa.h"
#include "isa/tables.h"

namespace forager::isa::test {

using Code = std::vector<Slot>;

// The few instructions that tests are written in.
Slot mov(unsigned dst, std::int32_t imm);
Slot copy(unsigned dst, unsigned src);
Slot add(unsigned dst, std::int32_t imm);
Slot call(std::uint32_t helper);
Slot leave();
Slot load(unsigned bytes, unsigned dst, unsigned src, int offset);
Slot store(unsigned bytes, unsigned dst, int offset, unsigned src);

struct Attempt {
  ProgType type = ProgType::xdp;
  std::uint32_t attach_type = 0;
  std::span<const Slot> code;
  const char* licence = "GPL";
};

struct Answer {
  int error = 0;    // 0: loaded; otherwise errno
  std::string log;  // the verifier's
  [[nodiscard]] bool says(std::string_view text) const { return log.find(text) != std::string::npos; }
};

// Why the kernel cannot be asked here, or empty.
std::string no_kernel();

Answer ask(const Attempt& attempt);

// Linux's version as 100 * major + minor: the tables describe 6.18.
unsigned kernel_version();
inline constexpr unsigned kTablesVersion = 618;

// A map of the type, small, or -errno. The caller closes it.
int create_map(MapType type, std::uint32_t flags);

// The places at which a program type's rules differ, as expected_attach_type; {0} where none counts.
std::vector<std::uint32_t> places(ProgType type);

// Whether the kernel loads the smallest program of the type at this place.
bool loads(ProgType type, std::uint32_t attach_type);

}  // namespace forager::isa::test
