// SPDX-License-Identifier: Apache-2.0
//
// Programs that see a __sk_buff, for the OpenCL device's tests: their text, and what is compared of packets after the
// interpreter and after the device.
#pragma once

#include <optional>

#include "opencl_skb_packets.h"
#include "opencl_testing.h"

namespace forager::jit::opencl::testing {

// ---- programs ----

// r6 = context; r7 = what was found; the arguments stand in the stack below r10 - 80, for calls overwrite the block.
inline constexpr const char* kStart =
    "r6 = r1\nr7 = 0\n"
    "r0 = *(u32 *)(r6 + 48)\n*(u64 *)(r10 - 88) = r0\nr0 = *(u32 *)(r6 + 52)\n*(u64 *)(r10 - 96) = r0\n"
    "r0 = *(u32 *)(r6 + 56)\n*(u64 *)(r10 - 104) = r0\nr0 = *(u32 *)(r6 + 60)\n*(u64 *)(r10 - 112) = r0\n"
    "r0 = *(u32 *)(r6 + 64)\n*(u64 *)(r10 - 120) = r0\n";
inline constexpr const char* kFold = "r7 *= 31\nr7 += r0\n";

inline std::string fill_stack() {
  std::string text;
  for (int at = 8; at <= 64; at += 8) text += fmt::format("*(u64 *)(r10 - {}) = {}\n", at, at * 0x1234567);
  return text;
}
inline std::string fold_stack() {
  std::string text;
  for (int at = 8; at <= 64; at += 8) text += fmt::format("r0 = *(u64 *)(r10 - {})\n{}", at, kFold);
  return text;
}

// "cb2": that argument; "wide": the third and the fourth as one; "stack": its lowest of 64 bytes; or a number.
inline std::string argument(int number, const std::string& what) {
  if (what == "stack") return fmt::format("r{0} = r10\nr{0} += -64\n", number);
  if (what == "wide")
    return fmt::format("r{0} = *(u64 *)(r10 - 112)\nr{0} <<= 32\nr0 = *(u64 *)(r10 - 104)\nr{0} |= r0\n", number);
  if (what.starts_with("cb")) return fmt::format("r{} = *(u64 *)(r10 - {})\n", number, 88 + 8 * (what[2] - '0'));
  return fmt::format("r{} = {}\n", number, what);
}

inline std::string call(const std::string& name, std::initializer_list<std::string> arguments, bool context = true) {
  std::string text = context ? "r1 = r6\n" : "";
  int number = context ? 2 : 1;
  for (const std::string& each : arguments) text += argument(number++, each);
  return text + "call bpf_" + name + "\n" + kFold;
}

// What was found comes back in the context: verdicts of some types are too narrow.
inline std::string whole(ProgType type, const std::string& body, int verdict) {
  const int at = type == ProgType::sk_skb ? 32 : 48;
  const std::string rest = at == 32 ? "" : "r7 >>= 32\n*(u32 *)(r6 + 52) = r7\n";
  return kStart + body + fmt::format("*(u32 *)(r6 + {}) = r7\n{}r0 = {}\nexit", at, rest, verdict);
}

// ---- comparison ----

inline std::string difference_of_headers(const Frame& expected, const Frame& actual) {
  for (const auto header : {&Skb::mac_header, &Skb::network_header, &Skb::transport_header}) {
    const std::uint32_t a = (*expected.skb).*header, b = (*actual.skb).*header;
    const bool unset = a == Skb::kUnset || b == Skb::kUnset;
    if (unset ? a != b : a - expected.data() != b - actual.data()) return fmt::format("header: {:#x} and {:#x}", a, b);
  }
  return {};
}

inline std::string difference_of_clones(const Frame& expected, const Frame& actual) {
  const auto same = [](const exec::FrameClone& a, const exec::FrameClone& b) {
    return a.redirect.ifindex == b.redirect.ifindex && a.redirect.flags == b.redirect.flags && a.packet == b.packet;
  };
  return std::ranges::equal(expected.results().clones, actual.results().clones, same) ? "" : "clones";
}

inline bool same_tunnels(const std::optional<exec::TunnelInfo>& a, const std::optional<exec::TunnelInfo>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->ipv6 == b->ipv6 && a->id == b->id && a->tos == b->tos && a->ttl == b->ttl && a->label == b->label &&
         a->flags == b->flags && a->source == b->source && a->destination == b->destination && a->options == b->options;
}

inline std::string difference_of_state(const Skb& a, const Skb& b) {
  if (a.mac_length != b.mac_length) return fmt::format("mac_length: {} and {}", a.mac_length, b.mac_length);
  if (a.ip_summed != b.ip_summed || a.checksum_level != b.checksum_level) return "checksum's kind";
  if (a.checksum != b.checksum) return fmt::format("checksum: {:#x} and {:#x}", a.checksum, b.checksum);
  if (a.hashed != b.hashed) return "hashed";
  if (!same_tunnels(a.tunnel, b.tunnel)) return "tunnel";
  if (a.encapsulation != b.encapsulation) return "encapsulation";
  return a.queue_mapping == b.queue_mapping ? "" : "queue_mapping";
}

inline std::string difference_of_skbs(const Frame& expected, const Frame& actual) {
  for (std::size_t at = 0; at < sizeof(__sk_buff); at += 4) {
    const auto a = exec::get<std::uint32_t>(expected, at), b = exec::get<std::uint32_t>(actual, at);
    if (a != b) return fmt::format("context at {}: {:#x} and {:#x}", at, a, b);
  }
  if (expected.data_end() - expected.data() != actual.data_end() - actual.data()) return "linear part";
  if (expected.results().redirect.flags != actual.results().redirect.flags) return "flags of the redirect";
  for (const std::string& found :
       {opencl::testing::difference(expected, actual), difference_of_headers(expected, actual),
        difference_of_state(*expected.skb, *actual.skb), difference_of_clones(expected, actual)}) {
    if (!found.empty()) return found;
  }
  return {};
}

class OpenclSkb : public WithDevice {
 protected:
  static void run_on(const exec::Backend& engine, ProgType type, const std::string& text, bool copies,
                     std::vector<Frame>& frames) {
    const auto program = exec::testing::verified({.type = type}, text);
    ASSERT_NE(program, nullptr);
    const auto image = engine.compile(program, {});
    ASSERT_TRUE(image) << image.error().text() << "\n" << text;
    exec::DeviceOptions options{.environment = &exec::testing::plain_environment(), .ports = {3, 4}};
    options.offload.copies = copies;
    const auto device = engine.open(options);
    ASSERT_TRUE(device && (*device)->load(*image));
    const auto report = (*device)->run(frames);
    ASSERT_TRUE(report) << report.error().text() << "\n" << text;
  }

  static void compare(ProgType type, Arguments arguments, const std::string& body, int verdict = 1) {
    static unsigned seed = 1;
    ++seed;
    const std::string text = whole(type, body, verdict);
    auto expected = packets(seed, type, arguments);
    run_on(interp::backend(), type, text, false, expected);
    for (const bool copies : {false, true}) {
      auto actual = packets(seed, type, arguments);
      run_on(*opencl_here(), type, text, copies, actual);
      if (HasFatalFailure()) return;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(difference_of_skbs(expected[i], actual[i]), "") << text << "\npacket " << i << ", copies " << copies;
      }
    }
  }
};

inline constexpr ProgType kClassifier = ProgType::sched_cls;

}  // namespace forager::jit::opencl::testing
