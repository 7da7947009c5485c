// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_TEST_RUN of XDP programs (net/bpf/test_run.c bpf_prog_test_run_xdp), on the backend that the runtime is set
// to. Data in and out start with the metadata, when there is any; context in and out are struct xdp_md.
//
// Where this differs from Linux: a packet over 3,520 bytes stays in one piece, where the kernel cuts it into fragments;
// live frames (BPF_F_TEST_XDP_LIVE_FRAMES) are not built.
#include <linux/if_ether.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "exec/frame.h"
#include "runtime/session.h"
#include "syscall/commands.h"

namespace forager::syscall {
namespace {

constexpr std::uint32_t kLoopback = 1;               // what the kernel's test frames arrive at, if nothing else is said
constexpr std::uint32_t kMaxMetadata = 255 / 4 * 4;  // Linux's xdp_metalen_invalid: multiples of 4 that fit 8 bits

bool bad_pair(std::uint64_t address, std::uint32_t size) { return (address == 0) != (size == 0); }

class XdpRun {
 public:
  XdpRun(const Call& call, std::shared_ptr<runtime::ProgramObject> program)
      : call_(call), test_(call.attr.test), program_(std::move(program)) {}

  long run() {
    constexpr long (XdpRun::* kSteps[])() = {&XdpRun::check, &XdpRun::read_context, &XdpRun::make_frame,
                                             &XdpRun::set_context, &XdpRun::execute};
    for (const auto step : kSteps) {
      if (const long error = (this->*step)(); error != 0) return error;
    }
    const long data = write_data();
    return data != 0 ? data : write_context();
  }

 private:
  long check() {
    const std::uint32_t attach = program_->source().attach_type;
    return attach == BPF_XDP_DEVMAP || attach == BPF_XDP_CPUMAP || test_.flags != 0 || test_.batch_size != 0 ? -EINVAL
                                                                                                             : 0;
  }

  // A caller that wants a context out has one in, if only of zeros.
  long read_context() {
    if (test_.ctx_in == 0 && test_.ctx_out == 0) return 0;
    xdp_md context{};
    if (test_.ctx_in != 0) {
      if (const long error = check_tail_zero(test_.ctx_in, sizeof context, test_.ctx_size_in); error != 0) return error;
      const std::size_t bytes = std::min<std::size_t>(sizeof context, test_.ctx_size_in);
      if (const long error = copy_from_user(&context, test_.ctx_in, bytes); error != 0) return error;
    }
    const std::uint32_t metadata = context.data;
    const bool fits = context.data_meta == 0 && context.data_end == test_.data_size_in && metadata <= context.data_end;
    if (!fits || metadata % 4 != 0 || metadata > kMaxMetadata) return -EINVAL;
    context_ = context;
    return 0;
  }

  long make_frame() {
    const std::uint32_t metadata = context_ ? context_->data : 0;
    if (test_.data_size_in < ETH_HLEN || test_.data_size_in - metadata > exec::kMaxPacketBytes) return -EINVAL;
    const auto data = read_user(test_.data_in, test_.data_size_in);
    if (!data) return data.error();
    auto frame = exec::Frame::make(std::span(*data).subspan(metadata));
    if (!frame) return -EINVAL;
    frame_ = std::move(*frame);
    if (metadata == 0) return 0;
    if (frame_.adjust_meta(-static_cast<std::int32_t>(metadata)) != 0) return -EINVAL;
    std::memcpy(frame_.buffer() + frame_.data_meta(), data->data(), metadata);
    return 0;
  }

  long set_context() {
    xdp_md seen{};
    seen.ingress_ifindex = kLoopback;
    if (context_ && context_->egress_ifindex != 0) return -EINVAL;
    if (context_ && context_->ingress_ifindex == 0 && context_->rx_queue_index != 0) return -EINVAL;
    if (context_ && context_->ingress_ifindex != 0) {
      if (!call_.runtime().port_exists(context_->ingress_ifindex)) return -ENODEV;
      seen.ingress_ifindex = context_->ingress_ifindex;
      seen.rx_queue_index = context_->rx_queue_index;
    }
    std::memcpy(frame_.context.data(), &seen, sizeof seen);
    return 0;
  }

  // The same frame again and again, as the kernel does it: changes to the packet add up.
  long execute() {
    runtime::SessionOptions options;
    options.placement = call_.runtime().settings.placement;
    options.device.ports = call_.runtime().settings.ports;
    auto session = runtime::Session::open(call_.runtime().environment, program_, options);
    if (!session) return -error_of(session.error());
    const std::uint32_t times = std::max(test_.repeat, 1U);
    std::uint64_t busy_ns = 0;
    for (std::uint32_t i = 0; i < times; ++i) {
      const auto report = session->run({&frame_, 1});
      if (!report) return -error_of(report.error());
      if (frame_.trap) return -error_of(*frame_.trap);
      busy_ns += report->busy_ns;
    }
    duration_ns_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(busy_ns / times, UINT32_MAX));
    return 0;
  }

  static long error_of(const Diagnostic& diagnostic) { return diagnostic.error != 0 ? diagnostic.error : EIO; }

  template <class T>
  long put(std::size_t field, const T& value) const {
    return put_user(call_.user_attr + field, value);
  }

  // bpf_test_finish(): a short buffer gets what fits, and -ENOSPC; without a size hint all is copied.
  long write_data() {
    const std::uint32_t size = frame_.data_end() - frame_.data_meta();
    const bool cut = test_.data_size_out != 0 && size > test_.data_size_out;
    const std::uint32_t copied = cut ? test_.data_size_out : size;
    const auto retval = static_cast<std::uint32_t>(frame_.return_value);
    if (test_.data_out != 0) {
      const long error = copy_to_user(test_.data_out, frame_.buffer() + frame_.data_meta(), copied);
      if (error != 0) return error;
    }
    if (put(offsetof(bpf_attr, test.data_size_out), size) != 0 || put(offsetof(bpf_attr, test.retval), retval) != 0 ||
        put(offsetof(bpf_attr, test.duration), duration_ns_) != 0) {
      return -EFAULT;
    }
    return cut ? -ENOSPC : 0;
  }

  long write_context() {
    if (!context_ || test_.ctx_out == 0) return 0;
    context_->data = frame_.data() - frame_.data_meta();
    context_->data_end = frame_.data_end() - frame_.data_meta();
    constexpr std::uint32_t kBytes = sizeof(xdp_md);
    const std::uint32_t copied = std::min(kBytes, test_.ctx_size_out);
    if (const long error = copy_to_user(test_.ctx_out, &*context_, copied); error != 0) return error;
    if (put(offsetof(bpf_attr, test.ctx_size_out), kBytes) != 0) return -EFAULT;
    return copied < kBytes ? -ENOSPC : 0;
  }

  const Call& call_;
  const decltype(bpf_attr::test)& test_;
  std::shared_ptr<runtime::ProgramObject> program_;
  std::optional<xdp_md> context_;
  exec::Frame frame_;
  std::uint32_t duration_ns_ = 0;
};

}  // namespace

long prog_test_run(const Call& call) {
  const auto& test = call.attr.test;
  if (bad_pair(test.ctx_in, test.ctx_size_in) || bad_pair(test.ctx_out, test.ctx_size_out)) return -EINVAL;
  auto program = call.fds().find<runtime::ProgramObject>(static_cast<int>(test.prog_fd));
  if (!program) return program.error();
  if ((*program)->type() != isa::ProgType::xdp) return -kNotSupported;
  return XdpRun(call, std::move(*program)).run();
}

}  // namespace forager::syscall
