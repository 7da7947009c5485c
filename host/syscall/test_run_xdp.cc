// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_TEST_RUN of XDP programs (net/bpf/test_run.c bpf_prog_test_run_xdp). Data in and out start with the
// metadata, when there is any; context in and out are struct xdp_md.
//
// The context's data_end says how much of the data is linear, at most what a buffer holds; the rest becomes fragments,
// whether or not the program was loaded with BPF_F_XDP_HAS_FRAGS, which Linux does not ask here either.
#include <linux/if_ether.h>

#include <cerrno>
#include <cstring>

#include "syscall/test_run.h"
#include "syscall/test_run_live.h"

namespace forager::syscall {
namespace {

constexpr std::uint32_t kMaxMetadata = exec::kHeadroom - exec::kFrameHeader;
constexpr std::uint32_t kMaxFragmentBytes = exec::kMaxFragments * exec::kFrameBytes;
constexpr std::uint32_t kPageHead = 112;  // struct xdp_page_head, which a live frame's headroom has besides

class XdpRun {
 public:
  XdpRun(const Call& call, std::shared_ptr<runtime::ProgramObject> program)
      : call_(call),
        test_(call.attr.test),
        live_((test_.flags & BPF_F_TEST_XDP_LIVE_FRAMES) != 0),
        program_(std::move(program)) {}

  long run() {
    constexpr long (XdpRun::* kSteps[])() = {&XdpRun::check,       &XdpRun::read_context,  &XdpRun::check_sizes,
                                             &XdpRun::read_data,   &XdpRun::set_context,   &XdpRun::check_fragments,
                                             &XdpRun::make_frames, &XdpRun::run_and_answer};
    for (const auto step : kSteps) {
      if (const long error = (this->*step)(); error != 0) return error;
    }
    return 0;
  }

 private:
  long check() {
    const std::uint32_t attach = program_->source().attach_type;
    if (attach == BPF_XDP_DEVMAP || attach == BPF_XDP_CPUMAP) return -EINVAL;
    if ((test_.flags & ~std::uint32_t{BPF_F_TEST_XDP_LIVE_FRAMES}) != 0) return -EINVAL;
    if (!live_) return test_.batch_size != 0 ? -EINVAL : 0;
    return test_.batch_size > kMaxLiveBatch ? -E2BIG : 0;
  }

  long read_context() {
    const auto context = read_test_context<xdp_md>(call_);
    if (!context) return context.error();
    linear_ = test_.data_size_in;
    if (!*context) return 0;
    const xdp_md& given = **context;
    const bool fits = given.data_meta == 0 && given.data_end <= test_.data_size_in && given.data <= given.data_end;
    if (!fits || given.data % 4 != 0 || given.data > kMaxMetadata) return -EINVAL;
    if (live_ && (test_.data_out != 0 || test_.ctx_out != 0)) return -EINVAL;
    context_ = *context;
    metadata_ = given.data;
    linear_ = given.data_end;
    return 0;
  }

  // Metadata and linear part share a buffer; live frames have no other.
  long check_sizes() {
    linear_ = std::min(linear_, exec::kMaxLinearBytes + metadata_ - (live_ ? kPageHead : 0));
    const bool too_long = live_ && test_.data_size_in > linear_;
    return too_long || test_.data_size_in - metadata_ < ETH_HLEN ? -EINVAL : 0;
  }

  [[nodiscard]] bool has_too_many_fragments() const { return test_.data_size_in - linear_ > kMaxFragmentBytes; }

  long read_data() {
    auto data = read_user(test_.data_in, has_too_many_fragments() ? linear_ : test_.data_size_in);
    if (!data) return data.error();
    data_ = std::move(*data);
    return 0;
  }

  long set_context() {
    seen_.ingress_ifindex = kTestIfindex;
    if (!context_) return 0;
    if (context_->egress_ifindex != 0) return -EINVAL;
    if (context_->ingress_ifindex == 0) return context_->rx_queue_index != 0 ? -EINVAL : 0;
    if (!call_.runtime().port_exists(context_->ingress_ifindex)) return -ENODEV;
    seen_.ingress_ifindex = context_->ingress_ifindex;
    seen_.rx_queue_index = context_->rx_queue_index;
    return 0;
  }

  long check_fragments() { return has_too_many_fragments() ? -ENOMEM : 0; }

  // Of live frames there is a batch, which the runs go round.
  long make_frames() {
    const std::uint32_t batch = test_.batch_size != 0 ? test_.batch_size : kLiveBatch;
    const std::uint32_t count = live_ ? std::min(batch, std::max(test_.repeat, 1U)) : 1;
    for (std::uint32_t i = 0; i < count; ++i) {
      auto frame = exec::Frame::make(std::span(data_).subspan(metadata_));
      if (!frame || frame->adjust_meta(-static_cast<std::int32_t>(metadata_)) != 0) return -EINVAL;
      std::memcpy(frame->buffer() + frame->data_meta(), data_.data(), metadata_);
      std::memcpy(frame->context.data(), &seen_, sizeof seen_);
      frame->set_linear(linear_ - metadata_);
      frames_.push_back(std::move(*frame));
    }
    return 0;
  }

  // Of live frames the caller gets the data back that he gave.
  long run_and_answer() {
    const auto result = live_ ? run_live(call_, program_, frames_) : run_repeatedly(call_, program_, frames_.front());
    if (!result) return result.error();
    const exec::Frame& frame = frames_.front();
    const std::span<const std::byte> after(frames_.front().buffer(), frame.packet_end());
    const std::uint32_t fragments = frame.packet_end() - frame.data_end();
    const long error = live_ ? write_test_result(call_, data_, *result)
                             : write_test_result(call_, after.subspan(frame.data_meta()), *result, fragments);
    return error != 0 ? error : write_context(frame);
  }

  long write_context(const exec::Frame& frame) {
    if (!context_) return 0;
    context_->data = frame.data() - frame.data_meta();
    context_->data_end = frame.data_end() - frame.data_meta();
    return write_test_context(call_, context_);
  }

  const Call& call_;
  const decltype(bpf_attr::test)& test_;
  bool live_;
  std::shared_ptr<runtime::ProgramObject> program_;
  std::optional<xdp_md> context_;
  std::uint32_t metadata_ = 0, linear_ = 0;  // bytes of the data; the linear ones count the metadata
  std::vector<std::byte> data_;
  xdp_md seen_{};
  std::vector<exec::Frame> frames_;
};

}  // namespace

long test_run_xdp(const Call& call, std::shared_ptr<runtime::ProgramObject> program) {
  return XdpRun(call, std::move(program)).run();
}

}  // namespace forager::syscall
