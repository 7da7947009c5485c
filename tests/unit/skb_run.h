// SPDX-License-Identifier: Apache-2.0
//
// Programs of the stack on our bpf(2) and on the kernel's: the same text, packet and context, run by BPF_PROG_TEST_RUN.
// A program leaves what it found in the control block (cb), which comes back with the context: return values of some
// types are too narrow.
#pragma once

#include <fmt/format.h>

#include <array>
#include <ostream>
#include <string_view>

#include "program/assembler.h"
#include "program/text.h"
#include "syscall_testing.h"

namespace forager::syscall::testing {

using Bytes = std::vector<std::uint8_t>;

struct SkbTest {
  unsigned type = BPF_PROG_TYPE_SCHED_CLS;
  std::string text;
  Bytes packet;
  bool with_context = true;
  __sk_buff context{};
  unsigned flags = 0;
  unsigned repeat = 1;
};

// All that a caller gets back.
struct SkbOutcome {
  long error = 0;
  std::uint32_t retval = 0;
  Bytes data;
  std::array<std::uint8_t, sizeof(__sk_buff)> context{};
  friend bool operator==(const SkbOutcome&, const SkbOutcome&) = default;
  friend std::ostream& operator<<(std::ostream& out, const SkbOutcome& outcome) {
    out << "error " << outcome.error << ", returned " << static_cast<std::int32_t>(outcome.retval) << ", "
        << outcome.data.size() << " bytes:";
    for (std::size_t i = 0; i < std::min<std::size_t>(outcome.data.size(), 96); ++i) {
      out << fmt::format(" {:02x}", outcome.data[i]);
    }
    out << "\n  context";
    for (std::size_t i = 0; i < outcome.context.size(); i += 4) {
      std::uint32_t word = 0;
      std::memcpy(&word, outcome.context.data() + i, sizeof word);
      if (word != 0) out << fmt::format(" [{}]={:#x}", i, word);
    }
    return out;
  }
};

inline Code code_of(std::string_view text) {
  const auto slots = program::assemble(text, {});
  EXPECT_TRUE(slots) << slots.error().text() << "\n" << text;
  Code code(slots ? slots->size() : 0);
  if (slots) std::memcpy(code.data(), slots->data(), code.size() * sizeof(bpf_insn));
  return code;
}

// A descriptor or a negative errno; `log` gets the verifier's words.
inline long load_skb(System& system, const SkbTest& test, std::string& log) {
  const Code code = code_of(test.text);
  log.assign(1 << 16, '\0');
  bpf_attr attr = prog_attr(code, test.type);
  attr.log_buf = address_of(log.data());
  attr.log_size = static_cast<__u32>(log.size());
  attr.log_level = 1;
  return system.bpf(BPF_PROG_LOAD, &attr, sizeof attr);
}

inline SkbOutcome run_skb(System& system, const SkbTest& test) {
  std::string log;
  const long fd = load_skb(system, test, log);
  EXPECT_GE(fd, 0) << log.c_str() << "\n" << test.text;
  if (fd < 0) return {.error = fd};
  SkbOutcome outcome{.data = Bytes(1 << 16)};
  bpf_attr attr = empty_attr();
  attr.test.prog_fd = static_cast<__u32>(fd);
  attr.test.data_in = address_of(test.packet.data());
  attr.test.data_size_in = static_cast<__u32>(test.packet.size());
  attr.test.data_out = address_of(outcome.data.data());
  attr.test.data_size_out = static_cast<__u32>(outcome.data.size());
  attr.test.repeat = test.repeat;
  attr.test.flags = test.flags;
  if (test.with_context) {
    attr.test.ctx_in = address_of(&test.context);
    attr.test.ctx_out = address_of(outcome.context.data());
    attr.test.ctx_size_in = attr.test.ctx_size_out = sizeof test.context;
  }
  outcome.error = system.bpf(BPF_PROG_TEST_RUN, &attr, sizeof attr);
  outcome.retval = attr.test.retval;
  outcome.data.resize(outcome.error == 0 ? attr.test.data_size_out : 0);
  (void)system.close(static_cast<int>(fd));
  return outcome;
}

}  // namespace forager::syscall::testing
