// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_TEST_RUN of programs that see a __sk_buff (net/bpf/test_run.c bpf_prog_test_run_skb). The data is an
// Ethernet packet. A program that does not see the link header gets it back as 14 zeros.
#include <cerrno>
#include <cstring>

#include "exec/skb.h"
#include "helpers/ones_complement.h"
#include "syscall/test_run.h"

namespace forager::syscall {
namespace {

constexpr std::uint32_t kChecksumComplete = 1U << 2;  // BPF_F_TEST_SKB_CHECKSUM_COMPLETE, since Linux 6.11
constexpr std::uint32_t kMaxWireLength = 65536;       // GSO_LEGACY_MAX_SIZE
constexpr std::uint32_t kMaxSegments = 65535;         // GSO_MAX_SEGS

// All bytes but those of the fields that a caller may set must be zero.
bool only_taken_fields(__sk_buff context) {
  auto* bytes = reinterpret_cast<std::byte*>(&context);
  for (const exec::SkbField& taken : exec::skb_user_fields()) std::memset(bytes + taken.offset, 0, taken.size);
  return std::all_of(bytes, bytes + sizeof context, [](std::byte byte) { return byte == std::byte{0}; });
}

std::span<const std::byte> from_network_header(const exec::Frame& frame) {
  const auto packet = frame.packet();
  const auto offset = static_cast<std::size_t>(exec::skb_network_offset(frame));
  return packet.subspan(std::min(offset, packet.size()));
}

class SkbRun {
 public:
  SkbRun(const Call& call, std::shared_ptr<runtime::ProgramObject> program)
      : call_(call), test_(call.attr.test), program_(std::move(program)) {}

  long run() {
    constexpr long (SkbRun::* kSteps[])() = {&SkbRun::check, &SkbRun::read_context, &SkbRun::make_frame,
                                             &SkbRun::set_context};
    for (const auto step : kSteps) {
      if (const long error = (this->*step)(); error != 0) return error;
    }
    if (sums()) take_checksum();
    const auto result = run_repeatedly(call_, program_, frame_);
    if (!result) return result.error();
    if (!exec::sees_link_header(program_->type())) give_link_header();
    if (sums() && !checksum_holds()) return -EBADMSG;
    const long error = write_test_result(call_, frame_.packet(), *result);
    return error != 0 ? error : write_context();
  }

 private:
  long check() {
    const bool odd = (test_.flags & ~kChecksumComplete) != 0 || test_.cpu != 0 || test_.batch_size != 0;
    const bool fits = test_.data_size_in >= exec::kMinSkbBytes && test_.data_size_in <= exec::kMaxSkbBytes;
    return odd || !fits ? -EINVAL : 0;
  }

  long read_context() {
    const auto context = read_test_context<__sk_buff>(call_);
    if (!context) return context.error();
    context_ = *context;
    return 0;
  }

  long make_frame() {
    const auto data = read_user(test_.data_in, test_.data_size_in);
    if (!data) return data.error();
    const std::uint32_t ifindex = context_ ? context_->ifindex : 0;
    if (ifindex > kTestIfindex && !call_.runtime().port_exists(ifindex)) return -ENODEV;
    if (!exec::has_network_header(*data)) return -EINVAL;
    auto frame = exec::make_skb(*data, program_->type(), exec::skb_device(call_.runtime().environment.fib, ifindex));
    if (!frame) return -EINVAL;
    frame_ = std::move(*frame);
    return 0;
  }

  // Without a context, nobody has said how long the packet was on the wire.
  long set_context() {
    if (!context_) {
      exec::set(frame_, offsetof(__sk_buff, wire_len), std::uint32_t{0});
      return 0;
    }
    if (!only_taken_fields(*context_) || context_->gso_segs > kMaxSegments) return -EINVAL;
    if (context_->wire_len == 0) context_->wire_len = static_cast<std::uint32_t>(frame_.packet().size());
    if (context_->wire_len < frame_.packet().size() || context_->wire_len > kMaxWireLength) return -EINVAL;
    context_->gso_size &= UINT16_MAX;
    context_->ifindex = exec::get<std::uint32_t>(frame_, offsetof(__sk_buff, ifindex));
    for (const exec::SkbField& taken : exec::skb_user_fields()) {
      std::memcpy(frame_.context.data() + taken.offset, reinterpret_cast<std::byte*>(&*context_) + taken.offset,
                  taken.size);
    }
    return 0;
  }

  [[nodiscard]] bool sums() const { return (test_.flags & kChecksumComplete) != 0; }

  void take_checksum() {
    frame_.skb->checksum = helpers::csum_partial(from_network_header(frame_), 0);
    frame_.skb->ip_summed = exec::Skb::Checksum::complete;
  }

  bool checksum_holds() {
    const std::uint32_t sum = helpers::csum_partial(from_network_header(frame_), 0);
    return helpers::csum_fold(frame_.skb->checksum) == helpers::csum_fold(sum);
  }

  void give_link_header() {
    if (!exec::skb_reserve(frame_, exec::kMinSkbBytes)) return;
    exec::skb_push(frame_, exec::kMinSkbBytes);
    std::memset(frame_.buffer() + frame_.data(), 0, exec::kMinSkbBytes);
  }

  // convert_skb_to___skb(): the segments' size is not told.
  long write_context() {
    if (!context_) return 0;
    for (const exec::SkbField& taken : exec::skb_user_fields()) {
      if (taken.offset == offsetof(__sk_buff, gso_size)) continue;
      std::memcpy(reinterpret_cast<std::byte*>(&*context_) + taken.offset, frame_.context.data() + taken.offset,
                  taken.size);
    }
    return write_test_context(call_, context_);
  }

  const Call& call_;
  const decltype(bpf_attr::test)& test_;
  std::shared_ptr<runtime::ProgramObject> program_;
  std::optional<__sk_buff> context_;
  exec::Frame frame_;
};

}  // namespace

long test_run_skb(const Call& call, std::shared_ptr<runtime::ProgramObject> program) {
  return SkbRun(call, std::move(program)).run();
}

}  // namespace forager::syscall
