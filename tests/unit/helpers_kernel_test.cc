// SPDX-License-Identifier: Apache-2.0
//
// Our helpers against the running kernel's: the same program on both, over many arguments, the edges first. The seeds
// are fixed, so a failure repeats.
#include <fmt/format.h>
#include <sys/socket.h>

#include <random>

#include "kernel_run.h"

namespace forager::helpers {
namespace {

using namespace exec::testing;  // NOLINT(google-build-using-namespace): the kit of these tests

class Kernel : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = no_kernel(); !reason.empty()) GTEST_SKIP() << reason;
  }
};

Bytes random_bytes(std::mt19937& random, std::size_t size) {
  Bytes bytes(size);
  std::ranges::generate(bytes, [&] { return static_cast<std::uint8_t>(random()); });
  return bytes;
}

template <class T>
T pick(std::mt19937& random, const std::vector<T>& from) {
  return from[random() % from.size()];
}

// ---- the frame's edges ----

std::string adjustment(const std::string& which, int delta) {
  return fmt::format("r1 = r6\nr2 = {}\ncall bpf_xdp_adjust_{}\nr7 *= 31\nr7 += r0\n", delta, which);
}

TEST_F(Kernel, AdjustHeadTailAndMetaAgreeOverAllDeltas) {
  std::mt19937 random(1);
  const std::vector<std::string> which = {"head", "tail", "meta"};
  const std::vector<int> edges = {0,    1,    -1,   4,     -4,   13,    14,        46,       47,   -46,
                                  -47,  -212, -216, -217,  -252, -256,  -257,      200,      3459, 3460,
                                  3461, 3520, 3521, -3000, 4000, -4000, INT32_MAX, INT32_MIN};
  for (int round = 0; round < 400; ++round) {
    std::string text = "r6 = r1\nr7 = 0\n";
    for (unsigned steps = 1 + random() % 5; steps > 0; --steps) {
      const int near = static_cast<int>(random() % 600) - 300;
      text += adjustment(pick(random, which), random() % 2 == 0 ? pick(random, edges) : near);
    }
    text += "r0 = r7\nexit";
    const Bytes packet = random_bytes(random, pick<std::size_t>(random, {14, 15, 60, 61, 1500, 3519, 3520}));
    ASSERT_EQ(run_here(text, packet), run_in_kernel(text, packet)) << text << "\npacket of " << packet.size();
  }
}

TEST_F(Kernel, PacketBytesByOffsetAgree) {
  std::mt19937 random(2);
  const std::vector<int> offsets = {0, 1, 59, 60, 61, 0xffff, 0x10000, -1, INT32_MAX};
  for (int round = 0; round < 200; ++round) {
    const int size = 1 + static_cast<int>(random() % 64);
    const std::string text = fmt::format(
        "r6 = r1\nr2 = {}\nr3 = r10\nr3 += -64\nr4 = {}\n*(u64 *)(r10 -64) = 1\n*(u64 *)(r10 -56) = 2\n"
        "*(u64 *)(r10 -48) = 3\n*(u64 *)(r10 -40) = 4\n*(u64 *)(r10 -32) = 5\n*(u64 *)(r10 -24) = 6\n"
        "*(u64 *)(r10 -16) = 7\n*(u64 *)(r10 -8) = 8\ncall bpf_xdp_load_bytes\nr7 = r0\nr1 = r6\nr2 = {}\nr3 = r10\n"
        "r3 += -64\nr4 = {}\ncall bpf_xdp_store_bytes\nr7 *= 31\nr7 += r0\nr1 = r6\ncall bpf_xdp_get_buff_len\n"
        "r7 *= 31\nr7 += r0\nr0 = r7\nexit",
        pick(random, offsets), size, pick(random, offsets), size);
    const Bytes packet = random_bytes(random, 60 + random() % 60);
    ASSERT_EQ(run_here(text, packet), run_in_kernel(text, packet)) << text;
  }
}

// ---- checksums ----

// r0's two halves, mixed into one.
constexpr const char* kFoldHalves = "r1 = r0\nr1 >>= 32\nr1 *= 77\nr0 ^= r1\nexit";

std::string checksum_program(int from, int to, std::uint32_t seed) {
  const char* load = "r1 = r6\nr2 = {}\nr3 = r10\nr3 += {}\nr4 = 256\ncall bpf_xdp_load_bytes\n";
  return "r6 = r1\n" + fmt::format(fmt::runtime(load), 0, -256) + fmt::format(fmt::runtime(load), 256, -512) +
         fmt::format("r1 = r10\nr1 += -256\nr2 = {}\nr3 = r10\nr3 += -512\nr4 = {}\nw5 = {}\ncall bpf_csum_diff\n",
                     from, to, static_cast<std::int32_t>(seed)) +
         (kernel_version() >= 613
              ? ""
              : "r1 = r0\nr1 &= 0xffff\nr0 >>= 16\nr0 += r1\nr1 = r0\nr1 &= 0xffff\nr0 >>= 16\nr0 += r1\n") +
         kFoldHalves;
}

TEST_F(Kernel, ChecksumDifferencesAgree) {
  std::mt19937 random(3);
  const std::vector<std::uint32_t> seeds = {0, 1, 0xffff, 0xffffffff, 0x12345678};
  for (int round = 0; round < 300; ++round) {
    const int step = round % 3 == 0 ? 1 : 4;  // sizes that are no multiple of four, too
    const int from = step * static_cast<int>(random() % (256 / step + 1));
    const int to = step * static_cast<int>(random() % (256 / step + 1));
    const std::string text = checksum_program(round % 5 == 1 ? 0 : from, round % 5 == 2 ? 0 : to, pick(random, seeds));
    Bytes packet = random_bytes(random, 512);
    if (round % 7 == 0) packet.assign(512, round % 2 == 0 ? 0 : 0xff);
    ASSERT_EQ(run_here(text, packet), run_in_kernel(text, packet)) << text;
  }
}

// ---- redirection ----

TEST_F(Kernel, RedirectAgrees) {
  for (const std::uint64_t flags : {0, 1, 8}) {
    const std::string text = fmt::format("r1 = 1\nr2 = {}\ncall bpf_redirect\nexit", flags);
    EXPECT_EQ(run_here(text, Bytes(60)), run_in_kernel(text, Bytes(60))) << text;
  }
}

TEST_F(Kernel, RedirectMapAgreesOnFlagsAndMissingKeys) {
  const Descriptor socket(::socket(AF_XDP, SOCK_RAW, 0));
  struct Entry {
    isa::MapType type;
    std::uint32_t key, value;
  };
  // The loopback device, a queue of one packet, a socket.
  for (const Entry& entry :
       {Entry{isa::MapType::devmap, 2, 1}, Entry{isa::MapType::devmap_hash, 2, 1}, Entry{isa::MapType::cpumap, 0, 1},
        Entry{isa::MapType::xskmap, 2, static_cast<std::uint32_t>(socket.get())}}) {
    const exec::MapSpec spec{.type = entry.type, .key_size = 4, .value_size = 4, .max_entries = 4, .name = "targets"};
    KernelMap theirs(spec);
    ASSERT_TRUE(theirs.ok());
    ASSERT_TRUE(theirs.update(&entry.key, &entry.value));
    const auto ours = std::make_shared<FakeMap>(spec);
    ASSERT_EQ(ours->update(&entry.key, &entry.value, 0, 0), 0);
    for (const char* index : {"0", "2", "3", "9", "-1", "0x100000002 ll"}) {
      for (const int flags : {0, 1, 2, 3, 4, 5, 7, 8, 16, 24, 32, 64}) {
        const std::string text =
            fmt::format("r1 = map[0] ll\nr2 = {}\nr3 = {}\ncall bpf_redirect_map\nexit", index, flags);
        EXPECT_EQ(run_here(text, Bytes(60), {.maps = {ours}}), run_in_kernel(text, Bytes(60), {&theirs})) << text;
      }
    }
  }
}

// ---- tail calls ----

TEST_F(Kernel, TailCallsInARowAgree) {
  const exec::MapSpec counter_spec{
      .type = isa::MapType::array, .key_size = 4, .value_size = 8, .max_entries = 1, .name = "count"};
  KernelMap programs(
      {.type = isa::MapType::prog_array, .key_size = 4, .value_size = 4, .max_entries = 2, .name = "jumps"});
  KernelMap counter(counter_spec);
  const std::string text =
      "r6 = map[1][0]+0 ll\nr7 = *(u64 *)(r6 +0)\nr7 += 1\n*(u64 *)(r6 +0) = r7\nr8 = r1\n"
      "r2 = map[0] ll\nr3 = 0\ncall bpf_tail_call\n"  // empty
      "r1 = r8\nr2 = map[0] ll\nr3 = 1\ncall bpf_tail_call\nr0 = 2\nexit";
  const Descriptor program = load_in_kernel(text, {&programs, &counter});
  const std::uint32_t one = 1;
  const int fd = program.get();
  ASSERT_TRUE(programs.update(&one, &fd));
  run_in_kernel(program, Bytes(60));
  std::uint64_t theirs = 0;
  const std::uint32_t zero = 0;
  ASSERT_TRUE(counter.lookup(&zero, &theirs));

  const auto jumps = std::make_shared<FakePrograms>(2);
  const auto ours = std::make_shared<FakeMap>(counter_spec);
  const Rig rig{.maps = {jumps, ours}};
  ASSERT_EQ(jumps->set(1, {.id = 1, .program = verified(rig, text), .maps = std::make_shared<exec::MapList>(rig.maps)}),
            0);
  run_here(text, Bytes(60), rig);
  ASSERT_EQ(jumps->set(1, {}), 0);
  EXPECT_EQ(ours->first(), theirs);
}

// ---- strings ----

// Stores a text at the bottom of the stack frame, zero-terminated; room for 64 bytes.
std::string store_text(std::string_view text) {
  std::string out;
  Bytes bytes(64);
  std::ranges::copy(text, bytes.begin());
  for (std::size_t i = 0; i < bytes.size(); i += 4) {
    std::int32_t word = 0;
    std::memcpy(&word, bytes.data() + i, sizeof(word));
    out += fmt::format("*(u32 *)(r10 {}) = {}\n", static_cast<int>(i) - 512, word);
  }
  return out;
}

TEST_F(Kernel, NumbersInTextAgree) {
  const std::vector<std::string> texts = {"0",
                                          "7",
                                          "-7",
                                          "  42",
                                          "\t-0x1f",
                                          "0x",
                                          "0xg",
                                          "0x1G",
                                          "0755",
                                          "08",
                                          "abc",
                                          "",
                                          "-",
                                          " ",
                                          "--1",
                                          "+1",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "-9223372036854775808",
                                          "-9223372036854775809",
                                          "18446744073709551615",
                                          "18446744073709551616",
                                          "0xffffffffffffffff",
                                          "12 34",
                                          "0X7f",
                                          "-0",
                                          "00000000000000000001"};
  for (const std::string& value : texts) {
    for (const char* helper : {"strtol", "strtoul"}) {
      for (const int flags : {0, 8, 10, 16, 2, 32}) {
        for (const std::size_t size : {value.size(), value.size() + 1, std::size_t{3}}) {
          if (size == 0) continue;
          const std::string text =
              store_text(value) +
              fmt::format(
                  "*(u64 *)(r10 -8) = 0\nr1 = r10\nr1 += -512\nr2 = {}\nr3 = {}\nr4 = r10\nr4 += -8\ncall bpf_{}\n"
                  "r1 = *(u64 *)(r10 -8)\nr0 *= 31\nr0 += r1\n{}",
                  size, flags, helper, kFoldHalves);
          ASSERT_EQ(run_here(text, Bytes(60)), run_in_kernel(text, Bytes(60)))
              << helper << " '" << value << "' " << flags;
        }
      }
    }
  }
}

// Text in a read-only map, here and in the kernel.
struct ConstantText {
  explicit ConstantText(std::string_view text)
      : spec{.type = isa::MapType::array,
             .key_size = 4,
             .value_size = 64,
             .max_entries = 1,
             .flags = BPF_F_RDONLY_PROG,
             .name = "rodata"},
        theirs(spec),
        ours(std::make_shared<FakeMap>(spec)) {
    Bytes value(64);
    std::ranges::copy(text, value.begin());
    const std::uint32_t zero = 0;
    EXPECT_TRUE(theirs.update(&zero, value.data()) && theirs.freeze());
    EXPECT_EQ(ours->update(&zero, value.data(), 0, 0), 0);
  }
  exec::MapSpec spec;
  KernelMap theirs;
  std::shared_ptr<FakeMap> ours;
};

TEST_F(Kernel, TextComparisonsAgree) {
  ConstantText constant("hello");
  for (const char* value : {"hello", "hellp", "help", "hell", "a", "z", "", "hello world"}) {
    for (const int size : {1, 3, 5, 6, 12}) {
      const std::string text =
          store_text(value) +
          fmt::format("r1 = r10\nr1 += -512\nr2 = {}\nr3 = map[0][0]+0 ll\ncall bpf_strncmp\nexit", size);
      EXPECT_EQ(run_here(text, Bytes(60), {.maps = {constant.ours}}),
                run_in_kernel(text, Bytes(60), {&constant.theirs}))
          << value << " " << size;
    }
  }
}

// Three arguments, and the text that came of them in the packet.
std::string format_program(int room, int arguments) {
  return fmt::format(
      "r6 = r1\n*(u64 *)(r10 -24) = -5\nr1 = 0x123456789abcdef0 ll\n*(u64 *)(r10 -16) = r1\n*(u64 *)(r10 -8) = 65\n{}"
      "r1 = r10\nr1 += -512\nr2 = {}\nr3 = map[0][0]+0 ll\nr4 = r10\nr4 += -24\nr5 = {}\ncall bpf_snprintf\nr7 = r0\n"
      "r1 = r6\nr2 = 0\nr3 = r10\nr3 += -512\nr4 = 64\ncall bpf_xdp_store_bytes\nr0 = r7\nexit",
      store_text(""), room, 8 * arguments);
}

// The kernel's verifier refuses a constant format that is invalid, and so does ours; the function itself would return
// -EINVAL.
TEST_F(Kernel, FormattedTextAgrees) {
  int refused = 0;
  for (const char* format : {"",
                             "plain",
                             "%d",
                             "%i %u %x",
                             "%d %d %d",
                             "%d %d %d %d",
                             "%ld %lld %lu",
                             "%lx|%llX",
                             "%%",
                             "100%% %d",
                             "%5d|%-5d|%05d",
                             "%+d|% d|%3c|",
                             "%08x %X",
                             "%c%c%c",
                             "%",
                             "%q",
                             "%5",
                             "%z",
                             "%f",
                             "%ll",
                             "%hd",
                             "%n",
                             "%*d",
                             "%.3d",
                             "%#x",
                             "%20llu",
                             "a\tb\n%d",
                             "%d\x01",
                             "%pI",
                             "%pX"}) {
    ConstantText constant(format);
    for (const int room : {64, 5, 1}) {
      const std::string text = format_program(room, 3);
      const Outcome ours = run_here(text, Bytes(64), {.unverified = true, .maps = {constant.ours}});
      std::string log;
      const Descriptor theirs = try_load_in_kernel(text, {&constant.theirs}, log);
      if (theirs.get() >= 0) {
        EXPECT_EQ(ours, run_in_kernel(theirs, Bytes(64))) << "'" << format << "' " << room;
        continue;
      }
      ++refused;
      EXPECT_THAT(log, ::testing::HasSubstr("Invalid format string"));
      EXPECT_EQ(ours.returned, static_cast<std::uint32_t>(-EINVAL)) << "'" << format << "'";
    }
  }
  EXPECT_GT(refused, 0);
}

TEST_F(Kernel, TraceFormatsAgreeOnWhatTheyReturn) {
  for (const char* format :
       {"plain\n", "%d\n", "%d %u %x", "%d %d %d %d", "%q", "%", "%lld %%", "%5c|", "%f", "\x02"}) {
    const std::size_t size = std::strlen(format) + 1;
    const std::string call = "r1 = r10\nr1 += -512\nr2 = {}\nr3 = -1\nr4 = 70\nr5 = 3\ncall bpf_trace_printk\nexit";
    const std::string text = store_text(format) + fmt::format(fmt::runtime(call), size);
    EXPECT_EQ(run_here(text, Bytes(60)), run_in_kernel(text, Bytes(60))) << format;
    const std::string cut = store_text(format) + fmt::format(fmt::runtime(call), size - 1);
    EXPECT_EQ(run_here(cut, Bytes(60)), run_in_kernel(cut, Bytes(60))) << format << ", without its zero";
  }
}

}  // namespace
}  // namespace forager::helpers
