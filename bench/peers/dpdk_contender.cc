// SPDX-License-Identifier: Apache-2.0
//
// DPDK's rte_bpf, with its JIT, for the programs that it takes: no maps, no helpers, no loops, no comparisons of 32-bit
// registers. Its programs see a struct rte_mbuf, in which two fields hold what ours find in struct xdp_md: loads of
// `data` and `data_end` become loads of buf_addr, which its validator knows for a pointer to buf_size bytes, and of an
// unused field. Nothing else of the bytecode changes.
#include <fmt/format.h>
#include <rte_bpf.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_mbuf_core.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "bench/peers/contender.h"
#include "exec/invocation.h"

namespace forager::bench {
namespace {

constexpr std::int16_t kData = 0;  // offsetof(struct xdp_md, data), whose header has constants that DPDK's has too
constexpr std::size_t kDataEnd = offsetof(rte_mbuf, dynfield1);
constexpr std::size_t kBufferBytes = exec::kMaxLinearBytes;

struct Destroy {
  void operator()(rte_bpf* program) const { rte_bpf_destroy(program); }
};
using Loaded = std::unique_ptr<rte_bpf, Destroy>;

// A load of a field of struct xdp_md, as a load of the mbuf's.
void retarget(ebpf_insn& load) {
  const std::size_t field = load.off == kData ? offsetof(rte_mbuf, buf_addr) : kDataEnd;
  load.code = BPF_LDX | BPF_MEM | EBPF_DW;
  load.off = static_cast<std::int16_t>(field);
}

// What loads the context's fields stands before the first branch.
std::vector<ebpf_insn> for_mbuf(std::span<const isa::Slot> slots) {
  static_assert(sizeof(isa::Slot) == sizeof(ebpf_insn));
  std::vector<ebpf_insn> out(slots.size());
  std::memcpy(out.data(), slots.data(), slots.size_bytes());
  unsigned context = 1U << 1;  // registers that hold it
  for (ebpf_insn& one : out) {
    const unsigned kind = one.code & 7U;
    if (kind == BPF_JMP) break;
    const bool from_context = (context >> one.src_reg & 1U) != 0;
    const bool is_move = one.code == (EBPF_ALU64 | EBPF_MOV | BPF_X);
    if (one.code == (BPF_LDX | BPF_MEM | BPF_W) && from_context) retarget(one);
    if (kind != BPF_ST && kind != BPF_STX) context &= ~(1U << one.dst_reg);
    if (is_move && from_context) context |= 1U << one.dst_reg;
  }
  return out;
}

// What rte_bpf's validator stumbles over first in most programs; it says so only to its log.
const char* reason(std::span<const ebpf_insn> instructions) {
  constexpr unsigned kJump32 = 6;  // BPF_JMP32, which DPDK 22.11 has not
  bool has_loop = false;
  for (const ebpf_insn& one : instructions) {
    if ((one.code & 7U) == kJump32) return "comparisons of 32-bit registers";
    has_loop |= (one.code & 7U) == BPF_JMP && one.off < 0;
  }
  return has_loop ? "a loop" : "for a reason in its log";
}

Result<Loaded> load(const program::Source& source) {
  if (!source.maps.empty()) return fail(ErrorKind::unsupported, EOPNOTSUPP, "rte_bpf has no maps");
  const std::vector<ebpf_insn> instructions = for_mbuf(source.slots);
  rte_bpf_prm request{};
  request.ins = instructions.data();
  request.nb_ins = static_cast<std::uint32_t>(instructions.size());
  request.prog_arg.type = RTE_BPF_ARG_PTR_MBUF;
  request.prog_arg.size = sizeof(rte_mbuf);
  request.prog_arg.buf_size = kBufferBytes;
  rte_log_set_global_level(RTE_LOG_EMERG);
  Loaded program(rte_bpf_load(&request));
  if (program != nullptr) return program;
  return fail(ErrorKind::unsupported, rte_errno, fmt::format("rte_bpf refuses: {}", reason(instructions)));
}

class DpdkContender final : public Contender {
 public:
  DpdkContender(Stage stage, Loaded program, rte_bpf_jit code)
      : stage_(std::move(stage)), program_(std::move(program)), code_(code) {}

  Result<golden::Outcome> answers() override {
    std::vector<golden::FrameOutcome> outcomes;
    each_batch(exec::run_clock_ns, [&](const exec::Frame& frame) { outcomes.push_back(golden::outcome_of(frame)); });
    return golden::outcome_of(std::move(outcomes), stage_.engine());
  }

  Result<double> count(Meter meter) override {
    const auto busy = static_cast<double>(each_batch(meter, [](const exec::Frame&) {}));
    return busy / static_cast<double>(stage_.packets().size());
  }

  std::size_t code_bytes() const override { return code_.sz; }

 private:
  template <class See>
  std::uint64_t each_batch(Meter meter, const See& see) {
    std::uint64_t busy = 0;
    for (std::size_t at = 0; at < stage_.packets().size();) {
      std::vector<exec::Frame> frames = stage_.batch(at);
      const std::uint64_t begin = meter();
      for (exec::Frame& frame : frames) run(frame);
      busy += meter() - begin;
      for (const exec::Frame& frame : frames) see(frame);
      at += frames.size();
    }
    return busy;
  }

  // With what the JITs' device does around it (native_contender.cc).
  void run(exec::Frame& frame) {
    frame.clear_results();
    const auto end = reinterpret_cast<std::uint64_t>(frame.buffer() + frame.data_end());
    mbuf_.buf_addr = frame.buffer() + frame.data();
    std::memcpy(reinterpret_cast<std::byte*>(&mbuf_) + kDataEnd, &end, sizeof end);
    const std::uint64_t verdict = code_.func(&mbuf_);
    exec::set_results(frame, isa::ProgType::xdp, static_cast<std::uint32_t>(verdict), nullptr);
  }

  Stage stage_;
  Loaded program_;
  rte_bpf_jit code_;
  rte_mbuf mbuf_{};
};

}  // namespace

ContenderResult make_dpdk_contender(const ExampleProgram& program) {
  auto stage = Stage::open(program);
  if (!stage) return std::unexpected(std::move(stage.error()));
  auto loaded = load(stage->program().source());
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  rte_bpf_jit code{};
  if (rte_bpf_get_jit(loaded->get(), &code) != 0 || code.func == nullptr) {
    return fail(ErrorKind::unsupported, EOPNOTSUPP, "rte_bpf compiles nothing on this machine");
  }
  return std::make_unique<DpdkContender>(std::move(*stage), std::move(*loaded), code);
}

}  // namespace forager::bench
