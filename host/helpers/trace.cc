// SPDX-License-Identifier: Apache-2.0
//
// bpf_trace_printk and bpf_trace_vprintk (kernel/trace/bpf_trace.c), into the environment's trace stream.
#include <cerrno>
#include <cstring>

#include "helpers/format.h"
#include "helpers/functions.h"
#include "helpers/varargs.h"

namespace forager::helpers {
namespace {

constexpr std::size_t kMaxLine = 1023;  // of what is printed; the return value counts all

void emit(const RunContext& run, std::string_view text) {
  if (!run.environment->trace) return;
  text = text.substr(0, kMaxLine);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    run.environment->trace(run.cpu, text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

u64 print(const RunContext& run, std::span<const std::byte> memory, std::span<const u64> arguments) {
  const auto text = text_of(memory);
  std::string line;
  if (!text || format(run, *text, arguments, line) != 0) return result(-EINVAL);
  emit(run, line);
  return line.size();
}

}  // namespace

u64 trace_printk(RunContext& run, u64 text, u64 size, u64 c, u64 d, u64 e) {
  return print(run, bytes(text, static_cast<std::uint32_t>(size)), std::array{c, d, e});
}

u64 trace_vprintk(RunContext& run, u64 text, u64 size, u64 data, u64 data_size, u64) {
  const auto arguments = Varargs::load(data, data_size);
  if (!arguments) return result(-EINVAL);
  return print(run, bytes(text, static_cast<std::uint32_t>(size)), arguments->values());
}

}  // namespace forager::helpers
