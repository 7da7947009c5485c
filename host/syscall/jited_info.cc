// SPDX-License-Identifier: Apache-2.0
#include "syscall/jited_info.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "jit-backends/common/records/code_registry.h"
#include "jit-backends/common/records/code_symbols.h"
#include "syscall/info_array.h"

namespace forager::syscall {
namespace {

using Addresses = std::vector<__u64>;

std::shared_ptr<const jit::JitImage> machine_code(const runtime::Runtime& runtime, runtime::ProgramObject& program) {
  const runtime::SessionOptions options = runtime.session_options();
  const auto placement = runtime::place(*program.verified, options.placement);
  if (!placement) return nullptr;
  auto image = program.image(*placement->backend, options.compile);
  return image ? std::dynamic_pointer_cast<const jit::JitImage>(*image) : nullptr;
}

// Where the code stands and a copy of it, as far as they are asked for: of one moment.
class Jited {
 public:
  Jited(const jit::JitImage& image, const bpf_prog_info& asked) : image_(image), functions_(jit::functions_of(image)) {
    const bool code = asked.jited_prog_len != 0;
    if (code) code_ = image.code().bytes;
    if (!code && asked.nr_jited_ksyms == 0 && asked.nr_jited_line_info == 0) return;
    jit::CodeRegistry::of_process().with_place(image, [&](std::span<const std::byte> place) {
      begin_ = reinterpret_cast<__u64>(place.data());
      if (code) code_.assign(place.begin(), place.end());
    });
  }

  [[nodiscard]] std::size_t functions() const { return functions_.size(); }
  [[nodiscard]] std::size_t size() const {
    std::size_t sum = 0;
    for (const jit::CodeSpan& each : functions_) sum += each.size;
    return sum;
  }

  // The functions, one behind the other.
  [[nodiscard]] std::vector<std::byte> bytes() const {
    const std::span<const std::byte> code(code_);
    std::vector<std::byte> all;
    for (const jit::CodeSpan& each : functions_) {
      const auto function = code.subspan(each.offset, each.size);
      all.insert(all.end(), function.begin(), function.end());
    }
    return all;
  }

  [[nodiscard]] std::vector<__u32> lengths() const {
    std::vector<__u32> all(functions_.size());
    std::ranges::transform(functions_, all.begin(), &jit::CodeSpan::size);
    return all;
  }

  [[nodiscard]] Addresses symbols() const {
    Addresses all(functions_.size());
    std::ranges::transform(functions_, all.begin(), [this](const auto& each) { return begin_ + each.offset; });
    return all;
  }

  // Where the code of each line of the program's begins.
  [[nodiscard]] Addresses lines(std::span<const bpf_line_info> records) const {
    const std::vector<std::uint32_t> offsets = jit::offsets_of(image_);
    const program::Program& program = image_.program().program();
    Addresses all;
    for (const bpf_line_info& each : records) {
      const std::uint32_t at = program.instruction_at(each.insn_off);
      all.push_back(at == program::kNone ? 0 : begin_ + offsets[at]);
    }
    return all;
  }

  [[nodiscard]] bool placed() const { return begin_ != 0; }

 private:
  const jit::JitImage& image_;
  std::vector<jit::CodeSpan> functions_;
  std::vector<std::byte> code_;
  __u64 begin_ = 0;  // of a copy that is linked now
};

template <class Count, class Make>
long put_addresses(__u64& to, Count& count, std::size_t there_are, bool placed, Make make) {
  if (count != 0 && !placed) to = count = 0;
  return put_made(to, count, there_are, make);
}

// As many as there are functions of machine code; the program's own where there is but one, or none.
long fill_tags(bpf_prog_info& info, const runtime::ProgramObject& program, std::size_t functions) {
  using Tags = std::vector<program::Tag>;
  return put_made(info.prog_tags, info.nr_prog_tags, std::max<std::size_t>(functions, 1), [&] {
    return functions > 1 ? program::function_tags(program.verified->program()) : Tags{program.tag};
  });
}

}  // namespace

long fill_jited(bpf_prog_info& info, const runtime::Runtime& runtime, runtime::ProgramObject& program) {
  const auto record = std::exchange(info.jited_line_info_rec_size, sizeof(__u64));
  if ((info.nr_jited_line_info != 0 || record != 0) && record != sizeof(__u64)) return -EINVAL;
  const auto image = machine_code(runtime, program);
  if (image == nullptr) {
    info.jited_prog_len = info.nr_jited_ksyms = info.nr_jited_func_lens = info.nr_jited_line_info = 0;
    return fill_tags(info, program, 0);
  }
  const Jited jited(*image, info);
  const std::span lines(reinterpret_cast<const bpf_line_info*>(program.debug.lines.data()), program.debug.line_count);
  const long steps[] = {
      put_made(info.jited_prog_insns, info.jited_prog_len, jited.size(), [&] { return jited.bytes(); }),
      put_made(info.jited_func_lens, info.nr_jited_func_lens, jited.functions(), [&] { return jited.lengths(); }),
      put_addresses(info.jited_ksyms, info.nr_jited_ksyms, jited.functions(), jited.placed(),
                    [&] { return jited.symbols(); }),
      put_addresses(info.jited_line_info, info.nr_jited_line_info, lines.size(), jited.placed(),
                    [&] { return jited.lines(lines); }),
      fill_tags(info, program, jited.functions())};
  const auto* failed = std::ranges::find_if(steps, [](long step) { return step != 0; });
  return failed == std::end(steps) ? 0 : *failed;
}

}  // namespace forager::syscall
