// SPDX-License-Identifier: Apache-2.0
//
// bpf_trace_printk on an OpenCL device: lines, their order and what each call gives are the interpreter's, for formats
// of any sort; no line is lost, however many there are; formats that follow pointers are refused, or stop their packet.
#include <gmock/gmock.h>

#include <array>
#include <random>
#include <set>

#include "maps/registry.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

using exec::Environment;
using exec::Frame;
using exec::testing::Bytes;
using exec::testing::Rig;
using ::testing::HasSubstr;

constexpr std::size_t kFormatBytes = 40;  // of a packet; behind it, three arguments

// What a program printed, each line with its CPU.
struct Printed {
  Printed() : environment(exec::testing::plain_environment()) {
    environment.trace = [this](unsigned cpu, std::string_view line) {
      lines.push_back(fmt::format("{}:{}", cpu, line));
    };
  }
  Environment environment;
  std::vector<std::string> lines;
};

// r7 = the packet, of 64 bytes at least, of which the first stand on the stack too; what r0 is then comes into the
// packet.
std::string printing(const std::string& middle) {
  std::string text = "r7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr0 = r7\nr0 += 72\nif r0 > r8 goto out\n";
  for (std::size_t at = 0; at < kFormatBytes; at += 8)
    text += fmt::format("r2 = *(u64 *)(r7 + {})\n*(u64 *)(r10 - {}) = r2\n", at, 64 - at);
  return text + middle + "*(u64 *)(r7 + 64) = r0\nout: r0 = 2\nexit";
}
std::string print(const std::string& format) {
  return format + "r3 = *(u64 *)(r7 + 40)\nr4 = *(u64 *)(r7 + 48)\nr5 = *(u64 *)(r7 + 56)\ncall bpf_trace_printk\n";
}
std::string print_from_stack(std::size_t bytes = kFormatBytes) {
  return print(fmt::format("r1 = r10\nr1 += -64\nr2 = {}\n", bytes));
}

Frame packet_of(std::string_view format, std::array<std::uint64_t, 3> arguments = {}) {
  Bytes bytes(80);
  std::copy_n(format.begin(), std::min(format.size(), kFormatBytes), bytes.begin());
  std::memcpy(bytes.data() + kFormatBytes, arguments.data(), sizeof arguments);
  return *Frame::make(exec::testing::as_bytes(bytes));
}
std::int64_t answer_of(const Frame& frame) {
  return static_cast<std::int64_t>(value_at<std::uint64_t>(frame.packet(), 64));
}

// Formats of pieces that make sense, mostly.
class Formats {
 public:
  explicit Formats(unsigned seed) : random_(seed) {}

  std::string next() {
    static constexpr std::string_view kPieces[] = {
        "%d",  "%i",   "%u",    "%x",    "%X",   "%ld",   "%lld", "%lu",  "%llx", "%lX",    "%c",       "%p", "%px",
        "%ps", "%pB ", "%+d",   "% lld", "%08x", "%-9d|", "%5c",  "%+6u", "%%",   "%12p",   "a b",      "\n", "\t,",
        "%l",  "%",    "%lllu", "%hd",   "%pQ",  "\x80",  "\x01", "%5",   "%p9",  "%1500d", "%0-+ 7lld"};
    std::string text;
    for (unsigned pieces = random_() % 5 + 1; pieces != 0; --pieces) {
      const unsigned likely = random_() % 4 == 0 ? std::size(kPieces) : 26;
      text += kPieces[random_() % likely];
    }
    return random_() % 20 == 0 ? text + std::string(kFormatBytes, '.') : text;  // which has no NUL
  }
  std::uint64_t argument() {
    static constexpr std::uint64_t kThese[] = {
        0, 1, 9, 10, 99, 100, 0x7fffffff, 0x80000000, UINT32_MAX, INT64_MAX, std::uint64_t{1} << 63, UINT64_MAX};
    const std::uint64_t any = random_();
    return random_() % 2 == 0 ? kThese[any % std::size(kThese)] : any * 0x9e3779b97f4a7c15 >> random_() % 64;
  }
  Frame packet() { return packet_of(next(), {argument(), argument(), argument()}); }

 private:
  std::mt19937 random_;
};

std::vector<Frame> formats(unsigned count, unsigned seed) {
  Formats any(seed);
  std::vector<Frame> frames;
  frames.reserve(count);
  for (unsigned n = 0; n < count; ++n) frames.push_back(any.packet());
  return frames;
}

class OpenclTrace : public testing::WithDevice {
 protected:
  static void compare(const std::string& text, unsigned count, unsigned seed, bool copies) {
    SCOPED_TRACE(copies ? "copies" : "in place");
    Printed wanted, had;
    const auto reference = exec::testing::open_device({.environment = &wanted.environment, .cpu = 1}, text);
    const auto tested =
        testing::open_device({.environment = &had.environment}, text, {.offload = {.copies = copies}, .cpu = 1});
    ASSERT_TRUE(reference != nullptr && tested != nullptr);
    auto expected = formats(count, seed), actual = formats(count, seed);
    const auto packets = formats(count, seed);
    ASSERT_TRUE(reference->run(expected));
    const auto ran = tested->run(actual);
    ASSERT_TRUE(ran) << ran.error().text();
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(testing::difference(expected[i], actual[i]), "")
          << "packet " << i << ": " << reinterpret_cast<const char*>(packets[i].packet().data()) << ", "
          << answer_of(expected[i]) << " and " << answer_of(actual[i]);
    }
    EXPECT_EQ(wanted.lines, had.lines);
    EXPECT_FALSE(had.lines.empty());
  }
};

TEST_F(OpenclTrace, LinesAreTheInterpreters) {
  for (const bool copies : {false, true}) compare(printing(print_from_stack()), 6000, 1, copies);
}

TEST_F(OpenclTrace, CallsInFunctionsAndSeveralOfOnePacket) {
  const std::string twice = print_from_stack() +
                            "r6 = r0\nr1 = r10\nr1 += -64\nr2 = *(u8 *)(r7 + 40)\nr3 = r7\nr3 = 7\n"
                            "r2 &= 31\nr2 += 1\nr4 = 8\nr5 = 9\ncall say\nr0 <<= 32\nr0 += r6\n";
  const std::string text = printing(twice) + "\nsay: call bpf_trace_printk\nexit";
  for (const bool copies : {false, true}) compare(text, 500, 3, copies);
}

// More than a log holds: packets stop until the host had the lines.
TEST_F(OpenclTrace, NoLineIsLost) {
  constexpr std::uint32_t kPackets = 10'000;
  for (const bool copies : {false, true}) {
    Printed had;
    const auto device = testing::open_device({.environment = &had.environment}, printing(print_from_stack()),
                                             {.offload = {.copies = copies}});
    ASSERT_NE(device, nullptr);
    std::vector<Frame> frames;
    frames.reserve(kPackets);
    for (std::uint64_t n = 0; n < kPackets; ++n) frames.push_back(packet_of("packet %d and no other", {n}));
    const auto ran = device->run(frames);
    ASSERT_TRUE(ran) << ran.error().text();
    ASSERT_EQ(had.lines.size(), kPackets);
    for (std::uint32_t n = 0; n < kPackets; ++n) ASSERT_EQ(had.lines[n], fmt::format("0:packet {} and no other", n));
  }
}

// A lane is a CPU; its lines are in the order of its packets.
TEST_F(OpenclTrace, AllWorkItemsPrint) {
  constexpr std::uint32_t kPackets = 20'000;
  for (const bool copies : {false, true}) {
    Printed had;
    const auto device = testing::open_device({.environment = &had.environment}, printing(print_from_stack()),
                                             {.order = exec::Order::none, .offload = {.copies = copies}});
    ASSERT_NE(device, nullptr);
    std::vector<Frame> frames;
    frames.reserve(kPackets);
    for (std::uint64_t n = 0; n < kPackets; ++n) frames.push_back(packet_of("%d", {n}));
    const auto ran = device->run(frames);
    ASSERT_TRUE(ran) << ran.error().text();
    ASSERT_EQ(had.lines.size(), kPackets);
    std::map<std::string, std::vector<unsigned long>> by_cpu;
    for (const std::string& line : had.lines) {
      const std::size_t colon = line.find(':');
      by_cpu[line.substr(0, colon)].push_back(std::stoul(line.substr(colon + 1)));
    }
    std::set<unsigned long> seen;
    for (const auto& [cpu, numbers] : by_cpu) {
      EXPECT_TRUE(std::ranges::is_sorted(numbers)) << cpu;
      seen.insert(numbers.begin(), numbers.end());
    }
    EXPECT_EQ(seen.size(), kPackets);
  }
}

TEST_F(OpenclTrace, NobodyNeedsToListen) {
  const Rig rig;
  const auto device = testing::open_device(rig, printing(print_from_stack()), {});
  ASSERT_NE(device, nullptr);
  Frame frame = packet_of("packet %lld of %x", {12, 0xab, 0});
  ASSERT_TRUE(device->run({&frame, 1}));
  EXPECT_EQ(answer_of(frame), 15);
}

// ---- what the device does not do ----

TEST_F(OpenclTrace, PointersAreNotFollowed) {
  Printed had;
  const auto device = testing::open_device({.environment = &had.environment}, printing(print_from_stack()), {});
  ASSERT_NE(device, nullptr);
  std::vector<Frame> frames;
  for (const char* format : {"%s", "%d %12s", "%pks", "%pus", "%pi4", "%pI4", "%pi6", "%pI6"})
    frames.push_back(packet_of(format));
  for (const char* format : {"%s%d%d%d", "%sx", "%pi5", "%s\x01"}) frames.push_back(packet_of(format));
  ASSERT_TRUE(device->run(frames));
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const Diagnostic* const trap = frames[i].results().trap.get();
    ASSERT_EQ(trap != nullptr, i < 8) << i;
    if (trap == nullptr) {
      EXPECT_EQ(answer_of(frames[i]), -EINVAL) << i;
      continue;
    }
    EXPECT_EQ(trap->kind, ErrorKind::unsupported);
    EXPECT_THAT(trap->text(), HasSubstr("follows no pointers"));
    EXPECT_NE(trap->instruction, Diagnostic{}.instruction);
  }
  EXPECT_TRUE(had.lines.empty());
}

exec::testing::MapRef constants(std::string_view text) {
  constexpr std::uint32_t kReadOnlyProg = 1U << 7;
  auto made = maps::create({.type = isa::MapType::array,
                            .key_size = 4,
                            .value_size = 64,
                            .max_entries = 1,
                            .flags = kReadOnlyProg,
                            .name = "rodata"},
                           1);
  EXPECT_TRUE(made) << made.error().text();
  std::copy_n(reinterpret_cast<const std::byte*>(text.data()), text.size(), (*made)->memory().base);
  return *made;
}

// A constant format is known before anything runs.
TEST_F(OpenclTrace, ConstantFormatsAreJudgedFirst) {
  const std::string text = printing(print("r1 = map[rodata][0]+8 ll\nr2 = 56\n"));
  for (const char* format : {"%s", "%d %-5s", "%%%pI4"}) {
    const auto program = exec::testing::verified({.maps = {constants("........" + std::string(format))}}, text);
    ASSERT_NE(program, nullptr);
    const auto image = opencl::backend().compile(program, {});
    ASSERT_FALSE(image) << format;
    EXPECT_EQ(image.error().kind, ErrorKind::unsupported);
    EXPECT_THAT(image.error().text(), HasSubstr("bpf_trace_printk of a format that follows a pointer"));
  }
  for (const bool copies : {false, true}) {
    Printed had;
    const Rig rig{.maps = {constants(std::string_view("........n = %d, %%s\0%s", 22))},
                  .environment = &had.environment};
    const auto device = testing::open_device(rig, text, {.offload = {.copies = copies}});
    ASSERT_NE(device, nullptr);
    Frame frame = packet_of("", {5});
    ASSERT_TRUE(device->run({&frame, 1}));
    EXPECT_EQ(had.lines, std::vector<std::string>{"0:n = 5, %s"});
  }
}

TEST_F(OpenclTrace, APacketThatPrintsTooMuchIsStopped) {
  Printed had;
  const auto device =
      testing::open_device({.environment = &had.environment},
                           printing("r9 = *(u16 *)(r7 + 56)\nr9 &= 8191\nagain: if r9 == 0 goto done\n" +
                                    print_from_stack() + "r9 += -1\ngoto again\ndone: r0 = 0\n"),
                           {});
  ASSERT_NE(device, nullptr);
  std::vector<Frame> frames;
  for (const std::uint64_t lines : {1U, 8000U, 2U}) frames.push_back(packet_of("%d lines", {lines, 0, lines}));
  ASSERT_TRUE(device->run(frames));
  EXPECT_EQ(frames[0].results().trap, nullptr);
  ASSERT_NE(frames[1].results().trap, nullptr);
  EXPECT_THAT(frames[1].results().trap->text(), HasSubstr("has room for"));
  EXPECT_EQ(frames[2].results().trap, nullptr);
  EXPECT_EQ(std::ranges::count(had.lines, "0:1 lines"), 1);
  EXPECT_GT(std::ranges::count(had.lines, "0:8000 lines"), 2000);
  EXPECT_EQ(std::ranges::count(had.lines, "0:2 lines"), 2);
}

// A function that is called back ends with its packet.
TEST_F(OpenclTrace, CallbacksThatPrintTooMuchAreStopped) {
  const std::string callback =
      "\nagain: r1 = 0x6425 ll\n*(u64 *)(r10 - 8) = r1\nr1 = r10\nr1 += -8\nr2 = 8\nr3 = 5\ncall bpf_trace_printk\n"
      "r0 = 0\nexit";
  const std::string text =
      printing("r1 = *(u32 *)(r7 + 40)\nr2 = subprog[again] ll\nr3 = 0\nr4 = 0\ncall bpf_loop\n") + callback;
  for (const bool copies : {false, true}) {
    Printed had;
    const auto device = testing::open_device({.environment = &had.environment}, text, {.offload = {.copies = copies}});
    ASSERT_NE(device, nullptr);
    std::vector<Frame> frames;
    for (const std::uint64_t rounds : {3U, 1U << 22, 4U}) frames.push_back(packet_of("", {rounds}));
    ASSERT_TRUE(device->run(frames));
    EXPECT_EQ(answer_of(frames[0]), 3);
    ASSERT_NE(frames[1].results().trap, nullptr);
    EXPECT_THAT(frames[1].results().trap->text(), HasSubstr("has room for"));
    EXPECT_EQ(answer_of(frames[2]), 4);
    EXPECT_GT(had.lines.size(), 3000U);
  }
}

TEST(OpenclTraceMirror, DoesNotTrustTheDevice) {
  Printed had;
  const auto mirror = make_trace_mirror(had.environment, 0, 3);
  std::vector<std::byte> memory(mirror->bytes());
  std::mt19937 random(7);
  for (unsigned round = 0; round < 50; ++round) {
    mirror->put(memory, 0);
    for (std::size_t at = 0; at + 4 <= memory.size(); at += 4) {
      const std::uint32_t word = random();
      put_value(memory, at, (word & 7) == 0 ? word : word >> 24);  // lengths are small, mostly
    }
    mirror->take(memory);
    for (const std::string& line : had.lines) ASSERT_LE(line.size(), 1025U);
    had.lines.clear();
  }
}

}  // namespace
}  // namespace forager::jit::opencl
