// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_TEST_RUN of XDP programs (net/bpf/test_run.c bpf_prog_test_run_xdp). Data in and out start with the
// metadata, when there is any; context in and out are struct xdp_md.
//
// Where this differs from Linux: a packet over 3,520 bytes stays in one piece, where the kernel cuts it into fragments;
// live frames (BPF_F_TEST_XDP_LIVE_FRAMES) are not built.
#include <linux/if_ether.h>

#include <cerrno>
#include <cstring>

#include "syscall/test_run.h"

namespace forager::syscall {
namespace {

constexpr std::uint32_t kMaxMetadata = 255 / 4 * 4;  // Linux's xdp_metalen_invalid: multiples of 4 that fit 8 bits

class XdpRun {
 public:
  XdpRun(const Call& call, std::shared_ptr<runtime::ProgramObject> program)
      : call_(call), test_(call.attr.test), program_(std::move(program)) {}

  long run() {
    constexpr long (XdpRun::* kSteps[])() = {&XdpRun::check, &XdpRun::read_context, &XdpRun::make_frame,
                                             &XdpRun::set_context};
    for (const auto step : kSteps) {
      if (const long error = (this->*step)(); error != 0) return error;
    }
    const auto result = run_repeatedly(call_, program_, frame_);
    if (!result) return result.error();
    const std::span<const std::byte> buffer(frame_.buffer(), frame_.data_end());
    const long error = write_test_result(call_, buffer.subspan(frame_.data_meta()), *result);
    return error != 0 ? error : write_context();
  }

 private:
  long check() {
    const std::uint32_t attach = program_->source().attach_type;
    return attach == BPF_XDP_DEVMAP || attach == BPF_XDP_CPUMAP || test_.flags != 0 || test_.batch_size != 0 ? -EINVAL
                                                                                                             : 0;
  }

  long read_context() {
    const auto context = read_test_context<xdp_md>(call_);
    if (!context) return context.error();
    if (!*context) return 0;
    const xdp_md& given = **context;
    const bool fits = given.data_meta == 0 && given.data_end == test_.data_size_in && given.data <= given.data_end;
    if (!fits || given.data % 4 != 0 || given.data > kMaxMetadata) return -EINVAL;
    context_ = *context;
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
    seen.ingress_ifindex = kTestIfindex;
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

  long write_context() {
    if (!context_) return 0;
    context_->data = frame_.data() - frame_.data_meta();
    context_->data_end = frame_.data_end() - frame_.data_meta();
    return write_test_context(call_, context_);
  }

  const Call& call_;
  const decltype(bpf_attr::test)& test_;
  std::shared_ptr<runtime::ProgramObject> program_;
  std::optional<xdp_md> context_;
  exec::Frame frame_;
};

}  // namespace

long test_run_xdp(const Call& call, std::shared_ptr<runtime::ProgramObject> program) {
  return XdpRun(call, std::move(program)).run();
}

}  // namespace forager::syscall
