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

class Jited {
 public:
  explicit Jited(const jit::JitImage& image)
      : image_(image), functions_(jit::functions_of(image)), code_(image.code().bytes) {
    jit::CodeRegistry::of_process().with_place(image, [this](std::span<const std::byte> place) {
      begin_ = reinterpret_cast<__u64>(place.data());
      code_.assign(place.begin(), place.end());
    });
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
    std::ranges::transform(functions_, all.begin(), [this](const auto& each) { return address(each.offset); });
    return all;
  }

  // Where the code of each line of the program's begins.
  [[nodiscard]] Addresses lines(std::span<const bpf_line_info> records) const {
    const std::vector<std::uint32_t> offsets = jit::offsets_of(image_);
    const program::Program& program = image_.program().program();
    Addresses all;
    for (const bpf_line_info& each : records) {
      const std::uint32_t at = program.instruction_at(each.insn_off);
      all.push_back(at == program::kNone ? 0 : address(offsets[at]));
    }
    return all;
  }

  [[nodiscard]] bool placed() const { return begin_ != 0; }

 private:
  [[nodiscard]] __u64 address(std::uint32_t offset) const { return placed() ? begin_ + offset : 0; }

  const jit::JitImage& image_;
  std::vector<jit::CodeSpan> functions_;
  std::vector<std::byte> code_;
  __u64 begin_ = 0;  // of a copy that is linked now
};

template <class Count>
long put_addresses(__u64& to, Count& count, const Addresses& addresses, bool placed) {
  if (count != 0 && !placed) to = count = 0;
  return put_array(to, count, addresses.data(), addresses.size());
}

}  // namespace

long fill_jited(bpf_prog_info& info, const runtime::Runtime& runtime, runtime::ProgramObject& program) {
  const auto record = std::exchange(info.jited_line_info_rec_size, sizeof(__u64));
  if ((info.nr_jited_line_info != 0 || record != 0) && record != sizeof(__u64)) return -EINVAL;
  const auto image = machine_code(runtime, program);
  if (image == nullptr) {
    info.jited_prog_len = info.nr_jited_ksyms = info.nr_jited_func_lens = info.nr_jited_line_info = 0;
    return 0;
  }
  const Jited jited(*image);
  const auto bytes = jited.bytes();
  const auto lengths = jited.lengths();
  const std::span lines(reinterpret_cast<const bpf_line_info*>(program.debug.lines.data()), program.debug.line_count);
  const long steps[] = {
      put_array(info.jited_prog_insns, info.jited_prog_len, bytes.data(), bytes.size()),
      put_array(info.jited_func_lens, info.nr_jited_func_lens, lengths.data(), lengths.size()),
      put_addresses(info.jited_ksyms, info.nr_jited_ksyms, jited.symbols(), jited.placed()),
      put_addresses(info.jited_line_info, info.nr_jited_line_info, jited.lines(lines), jited.placed())};
  const auto* failed = std::ranges::find_if(steps, [](long step) { return step != 0; });
  return failed == std::end(steps) ? 0 : *failed;
}

}  // namespace forager::syscall
