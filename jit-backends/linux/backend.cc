// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/linux/backend.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <mutex>

#include "exec/blockers.h"
#include "jit-backends/linux/device.h"
#include "jit-backends/linux/kernel.h"
#include "jit-backends/linux/mirror.h"
#include "program/text.h"

namespace forager::jit::linux_kernel {
namespace {

// Our program is the kernel's too: an image is the program itself, to be loaded when its maps are known.
class KernelImage final : public exec::Image {
 public:
  explicit KernelImage(std::shared_ptr<const verifier::VerifiedProgram> program) : program_(std::move(program)) {}
  std::string_view backend() const override { return "linux"; }
  std::size_t bytes() const override { return program_->program().slots().size_bytes(); }
  std::string listing() const override { return program::disassemble(program_->program()); }
  const verifier::VerifiedProgram& program() const override { return *program_; }

 private:
  std::shared_ptr<const verifier::VerifiedProgram> program_;
};

// Loads and runs "return XDP_PASS". Empty if that works; else who said no.
std::string probe_programs(SystemCall call) {
  std::array<isa::Slot, 2> slots;
  slots[0] = {.opcode = isa::row(isa::Op::mov64_imm).opcode, .imm = XDP_PASS};
  slots[1] = {.opcode = isa::row(isa::Op::exit).opcode};
  const LoadRequest request{.name = "probe", .prog_type = BPF_PROG_TYPE_XDP, .gpl_compatible = true, .slots = slots};
  std::string log;
  const long fd = load_program(request, log, call);
  if (fd == -EPERM) return "needs root, or CAP_BPF and CAP_NET_ADMIN: bpf(2) said EPERM";
  if (fd < 0) return fmt::format("the kernel loads no program: bpf(2) said {}", errno_text(fd));
  const Fd program(static_cast<int>(fd));
  const std::array<std::byte, kMinPacketBytes> packet{};
  std::array<std::byte, kMinPacketBytes> out{};
  TestRun run{.in = packet, .out = out};
  const int error = run_xdp(program, run, call);
  if (error != 0) return fmt::format("the kernel test-runs no program: bpf(2) said {}", errno_text(error));
  return run.return_value == XDP_PASS ? "" : "the kernel's test run gives wrong results";
}

// Whether a device could have its own thread and network.
std::string probe_network() {
  Worker worker;
  auto done = worker.start(lowest_cpu());
  if (done) done = worker.call([] { return Network().enter(); });
  return done ? "" : done.error().text();
}

// What the kernel's verifier wants BTF for, which programs here do not carry, stays out.
constexpr std::array kUnsupportedOps = {isa::Op::call_kfunc, isa::Op::callx,       isa::Op::lddw_btf_id,
                                        isa::Op::lddw_func,  isa::Op::lddw_map_fd, isa::Op::lddw_map_value};

// Those of the kernel's test run that take a packet, and raw memory.
constexpr std::array kProgramTypes = {isa::ProgType::xdp,       isa::ProgType::raw_memory, isa::ProgType::socket_filter,
                                      isa::ProgType::sched_cls, isa::ProgType::sched_act,  isa::ProgType::cgroup_skb,
                                      isa::ProgType::lwt_in,    isa::ProgType::lwt_out,    isa::ProgType::lwt_xmit};

exec::Capabilities capabilities_of(SystemCall call) {
  exec::Capabilities able;
  able.reason = probe_programs(call);
  if (able.reason.empty()) able.reason = probe_network();
  able.available = able.reason.empty();
  for (const isa::Row& row : isa::rows()) able.ops.set(static_cast<std::size_t>(row.op));
  for (const isa::Op op : kUnsupportedOps) able.ops.reset(static_cast<std::size_t>(op));
  for (const isa::HelperRow& row : isa::helpers()) able.helpers.set(row.id);
  for (const isa::MapRow& row : isa::maps())
    able.map_types.set(static_cast<std::size_t>(row.type), can_mirror(row.type));
  able.program_types = {std::begin(kProgramTypes), std::end(kProgramTypes)};
  able.max_packet_bytes = kMaxPacketBytes;
  able.min_packet_bytes = kMinPacketBytes;
  return able;
}

class KernelBackend final : public exec::Backend {
 public:
  explicit KernelBackend(SystemCall call) : call_(call) {}

  std::string_view name() const override { return "linux"; }

  const exec::Capabilities& capabilities() const override {
    std::call_once(probed_, [this] { capabilities_ = capabilities_of(call_); });
    return capabilities_;
  }

  Result<std::shared_ptr<const exec::Image>> compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                     const exec::CompileOptions&) const override {
    auto blockers = exec::blockers(*program, capabilities());
    if (!blockers.empty()) return std::unexpected(std::move(blockers.front()));
    return std::make_shared<KernelImage>(std::move(program));
  }

  Result<std::unique_ptr<exec::Device>> open(const exec::DeviceOptions& options) const override {
    if (!capabilities().available) {
      return fail(ErrorKind::unsupported, EOPNOTSUPP, "the linux backend is not available: " + capabilities().reason);
    }
    auto device = std::make_unique<KernelDevice>(options);
    if (auto started = device->start(); !started) return std::unexpected(std::move(started.error()));
    return device;
  }

 private:
  SystemCall call_;
  mutable std::once_flag probed_;
  mutable exec::Capabilities capabilities_;
};

}  // namespace

const exec::Backend& backend() {
  static const KernelBackend kBackend(kernel_call);
  return kBackend;
}

std::unique_ptr<exec::Backend> make_backend(SystemCall call) { return std::make_unique<KernelBackend>(call); }

Result<std::uint64_t> measure(exec::Device& device, const exec::Frame& frame, std::uint32_t repeat) {
  auto* kernel = dynamic_cast<KernelDevice*>(&device);
  if (kernel == nullptr) return fail(ErrorKind::input, EINVAL, "the device is not one of the linux backend");
  return kernel->measure(frame, repeat);
}

}  // namespace forager::jit::linux_kernel
