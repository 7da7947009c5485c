// SPDX-License-Identifier: Apache-2.0
//
// The linux backend's device: verdicts, packets, contexts, refusals, and that it leaves nothing behind.
#include <dirent.h>
#include <gmock/gmock.h>
#include <linux/bpf.h>
#include <sched.h>

#include <fstream>

#include "exec/skb.h"
#include "tests/unit/linux_support.h"

namespace forager {
namespace {

using jit::linux_kernel::backend;
using linux_test::Bytes;
using linux_test::Rig;
using linux_test::TestMap;
using testing::HasSubstr;

constexpr const char* kPass = "r0 = 2\nexit\n";
// Writes 0x5a into the first byte and returns XDP_TX.
constexpr const char* kMark = R"(
  r2 = *(u32 *)(r1 + 0)
  r3 = *(u32 *)(r1 + 4)
  r0 = 0
  r4 = r2
  r4 += 1
  if r4 > r3 goto out
  *(u8 *)(r2 + 0) = 90
  r0 = 3
out:
  exit
)";
constexpr const char* kIngress = "r0 = *(u32 *)(r1 + 12)\nexit\n";
constexpr const char* kQueue = "r0 = *(u32 *)(r1 + 16)\nexit\n";

void set_context(exec::Frame& frame, std::uint32_t ingress, std::uint32_t queue) {
  xdp_md context{};
  context.ingress_ifindex = ingress;
  context.rx_queue_index = queue;
  std::memcpy(frame.context.data(), &context, sizeof(context));
}

TEST(LinuxDevice, GivesVerdictsAndPackets) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.open(kMark);
  const exec::Frame frame = rig.run(Bytes(60));
  EXPECT_EQ(frame.return_value, XDP_TX);
  ASSERT_EQ(frame.packet().size(), 60U);
  EXPECT_EQ(frame.packet()[0], std::byte{90});
  EXPECT_EQ(frame.packet()[1], std::byte{0});
}

TEST(LinuxDevice, CountsPacketsAndTime) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.open(kPass);
  std::vector<exec::Frame> frames(3);
  for (auto& frame : frames) frame = exec::Frame::make(Bytes(64)).value();
  const auto report = rig.device->run(frames);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->packets, 3U);
  EXPECT_EQ(report->traps, 0U);
  EXPECT_GT(report->busy_ns, 0U);
  EXPECT_EQ(rig.device->counters().packets, 3U);
  EXPECT_EQ(rig.device->info().backend, "linux");
  EXPECT_THAT(rig.device->info().name, HasSubstr("Linux "));
}

TEST(LinuxDevice, KeepsMetadataThatTheProgramAdds) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.open(R"(
    r6 = r1
    r2 = -4
    call bpf_xdp_adjust_meta
    if r0 != 0 goto out
    r2 = *(u32 *)(r6 + 8)
    r3 = *(u32 *)(r6 + 0)
    r4 = r2
    r4 += 4
    if r4 > r3 goto out
    *(u32 *)(r2 + 0) = 0x11223344
  out:
    r0 = 2
    exit
  )");
  exec::Frame frame = rig.run(Bytes(20));
  ASSERT_EQ(frame.packet().size(), 20U);
  ASSERT_EQ(frame.data() - frame.data_meta(), 4U);
  std::uint32_t word = 0;
  std::memcpy(&word, frame.buffer() + frame.data_meta(), 4);
  EXPECT_EQ(word, 0x11223344U);
}

TEST(LinuxDevice, TakesThePacketsOtherHeadAndTail) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.open("r6 = r1\nr2 = -20\ncall bpf_xdp_adjust_head\nr1 = r6\nr2 = 7\ncall bpf_xdp_adjust_tail\nr0 = 2\nexit\n");
  EXPECT_EQ(rig.run(Bytes(64)).packet().size(), 91U);
}

TEST(LinuxDevice, ShowsLoopbackWhereTheContextNamesNoInterface) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.open(kIngress);
  EXPECT_EQ(rig.run().return_value, 1U);
}

TEST(LinuxDevice, ShowsTheContextsInterfaceAndQueue) {
  FORAGER_NEEDS_KERNEL();
  for (const auto& [text, expected] : {std::pair{kIngress, 7U}, std::pair{kQueue, 3U}}) {
    Rig rig;
    rig.open(text, {}, isa::ProgType::xdp, {7});
    auto frame = exec::Frame::make(Bytes(64)).value();
    set_context(frame, 7, 3);
    const auto report = rig.device->run({&frame, 1});
    ASSERT_TRUE(report) << report.error().text();
    ASSERT_EQ(frame.results().trap, nullptr) << frame.results().trap->text();
    EXPECT_EQ(frame.return_value, expected);
  }
}

TEST(LinuxDevice, TrapsAFrameFromAQueueThatCannotBe) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.open(kQueue);
  auto frame = exec::Frame::make(Bytes(64)).value();
  set_context(frame, 1, 900);
  const auto report = rig.device->run({&frame, 1});
  ASSERT_TRUE(report) << report.error().text();
  ASSERT_NE(frame.results().trap, nullptr);
  EXPECT_EQ(frame.return_value, XDP_ABORTED);
  EXPECT_THAT(frame.results().trap->text(), HasSubstr("queue 900"));
}

TEST(LinuxDevice, TrapsFramesTheTestRunDoesNotTake) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.open(kPass);
  std::vector<exec::Frame> frames(4);
  const std::size_t sizes[] = {13, 14, 3520, 3521};
  for (int i = 0; i < 4; ++i) frames[i] = exec::Frame::make(Bytes(sizes[i])).value();
  const auto report = rig.device->run(frames);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->traps, 2U);
  ASSERT_NE(frames[0].results().trap, nullptr);
  EXPECT_EQ(frames[0].results().trap->kind, ErrorKind::limit);
  EXPECT_EQ(frames[0].results().trap->asked, 13U);
  EXPECT_EQ(frames[1].return_value, XDP_PASS);
  EXPECT_EQ(frames[2].return_value, XDP_PASS);
  ASSERT_NE(frames[3].results().trap, nullptr);
  EXPECT_EQ(frames[3].results().trap->limit, 3520U);
  EXPECT_EQ(backend().capabilities().min_packet_bytes, 14U);
  EXPECT_EQ(backend().capabilities().max_packet_bytes, 3520U);
}

TEST(LinuxDevice, RunsFramesWithFragments) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.open(
      "r6 = r1\nr2 = 100\ncall bpf_xdp_adjust_tail\nr1 = r6\nr2 = -16\ncall bpf_xdp_adjust_meta\n"
      "r1 = r6\nr2 = 4\ncall bpf_xdp_adjust_head\nr1 = r6\ncall bpf_xdp_get_buff_len\nexit\n");
  Bytes packet(9000);
  for (std::size_t i = 0; i < packet.size(); ++i) packet[i] = static_cast<std::byte>(i % 251);
  auto frame = exec::Frame::make(packet).value();
  frame.set_linear(exec::kMaxLinearBytes);
  const auto report = rig.device->run({&frame, 1});
  ASSERT_TRUE(report) << report.error().text();
  ASSERT_EQ(frame.results().trap, nullptr) << frame.results().trap->text();
  EXPECT_EQ(frame.return_value, 9096U);
  EXPECT_EQ(frame.data_end() - frame.data(), 3516U);
  EXPECT_EQ(frame.data() - frame.data_meta(), 16U);
  packet.erase(packet.begin(), packet.begin() + 4);
  packet.resize(9096);
  EXPECT_TRUE(std::ranges::equal(frame.packet(), packet));
}

TEST(LinuxDevice, TrapsFramesOfTooManyFragments) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.open(kPass);
  auto frame = exec::Frame::make(Bytes(3520 + 17 * 4096 + 1)).value();
  frame.set_linear(exec::kMaxLinearBytes);
  ASSERT_TRUE(rig.device->run({&frame, 1}));
  ASSERT_NE(frame.results().trap, nullptr);
  EXPECT_EQ(frame.results().trap->limit, 3520U + 17 * 4096);
}

TEST(LinuxDevice, TrapsPacketsOfTheStackThatAreNotLinear) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.open("r0 = 0\nexit\n", {}, isa::ProgType::sched_cls);
  auto frame = exec::make_skb(Bytes(64), isa::ProgType::sched_cls).value();
  frame.set_linear(20);
  ASSERT_TRUE(rig.device->run({&frame, 1}));
  ASSERT_NE(frame.results().trap, nullptr);
  EXPECT_EQ(frame.results().trap->kind, ErrorKind::unsupported);
}

TEST(LinuxDevice, SaysWhyTheKernelRefused) {
  FORAGER_NEEDS_KERNEL();
  Rig rig{.unverified = true};
  rig.open("r2 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r2 + 5)\nexit\n");
  auto frame = exec::Frame::make(Bytes(64)).value();
  const auto report = rig.device->run({&frame, 1});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::rejected);
  EXPECT_EQ(report.error().error, EACCES);
  EXPECT_EQ(report.error().instruction, 1U);
  EXPECT_THAT(report.error().message, HasSubstr("EACCES"));
  EXPECT_THAT(report.error().message, HasSubstr("packet"));
}

TEST(LinuxDevice, WantsEveryMapBound) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  auto program =
      linux_test::program_of("r1 = map[m0] ll\nr0 = 2\nexit\n", {linux_test::spec_of(isa::MapType::array, 4, 4, 1)});
  ASSERT_TRUE(program) << program.error().text();
  auto device = backend().open({.environment = &rig.environment}).value();
  ASSERT_TRUE(device->load(backend().compile(*program, {}).value()));
  EXPECT_FALSE(device->bind(1, std::make_shared<TestMap>(linux_test::spec_of(isa::MapType::array, 4, 4, 1), 1)));
  auto frame = exec::Frame::make(Bytes(64)).value();
  const auto report = device->run({&frame, 1});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::input);
}

TEST(LinuxDevice, LoadsAnotherProgramInPlaceOfTheFirst) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  rig.open(kPass);
  EXPECT_EQ(rig.run().return_value, XDP_PASS);
  auto drop = linux_test::program_of("r0 = 1\nexit\n");
  ASSERT_TRUE(drop) << drop.error().text();
  ASSERT_TRUE(rig.device->load(backend().compile(*drop, {}).value()));
  EXPECT_EQ(rig.run().return_value, XDP_DROP);
}

TEST(LinuxDevice, RefusesRunsAndImagesThatAreNotItsOwn) {
  FORAGER_NEEDS_KERNEL();
  auto device = backend().open({}).value();
  auto frame = exec::Frame::make(Bytes(64)).value();
  EXPECT_FALSE(device->run({&frame, 1}));
  EXPECT_FALSE(device->load(nullptr));
}

TEST(LinuxDevice, MeasuresRepeatedRuns) {
  FORAGER_NEEDS_KERNEL();
  Rig rig;
  auto count = std::make_shared<TestMap>(linux_test::spec_of(isa::MapType::array, 4, 8, 1), 1);
  rig.open("r1 = map[m0][0]+0 ll\nr2 = 1\nlock *(u64 *)(r1 + 0) += r2\nr0 = 2\nexit\n", {count});
  const auto frame = exec::Frame::make(Bytes(64)).value();
  const auto nanoseconds = jit::linux_kernel::measure(*rig.device, frame, 1000);
  ASSERT_TRUE(nanoseconds) << nanoseconds.error().text();
  EXPECT_EQ(count->get<std::uint64_t>(0), 1000U);
}

// ---- what stands around a device -------------------------------------------------------------------------------

long refuse(long, long, long, long, long, long, long) { return -EPERM; }

TEST(LinuxBackend, SaysWhyItIsUnavailable) {
  const auto refused = jit::linux_kernel::make_backend(refuse);
  EXPECT_FALSE(refused->capabilities().available);
  EXPECT_THAT(refused->capabilities().reason, HasSubstr("EPERM"));
  const auto device = refused->open({});
  ASSERT_FALSE(device);
  EXPECT_THAT(device.error().message, HasSubstr("EPERM"));
  auto program = linux_test::program_of(kPass);
  ASSERT_TRUE(program) << program.error().text();
  EXPECT_FALSE(refused->compile(*program, {}));
}

TEST(LinuxBackend, RefusesProgramsOfOtherTypes) {
  FORAGER_NEEDS_KERNEL();
  auto program = linux_test::program_of(kPass, {}, isa::ProgType::kprobe);
  ASSERT_TRUE(program) << program.error().text();
  const auto image = backend().compile(*program, {});
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().kind, ErrorKind::unsupported);
}

TEST(LinuxBackend, ImagesListTheProgram) {
  FORAGER_NEEDS_KERNEL();
  auto program = linux_test::program_of(kPass);
  ASSERT_TRUE(program) << program.error().text();
  const auto image = backend().compile(*program, {}).value();
  EXPECT_EQ(image->backend(), "linux");
  EXPECT_EQ(image->bytes(), 16U);
  EXPECT_THAT(image->listing(), HasSubstr("r0 = 2"));
}

std::size_t open_files() {
  std::size_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

std::size_t threads() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::size_t count = 0;
    if (word == "Threads:" && status >> count) return count;
  }
  return 0;
}

TEST(LinuxDevice, LeavesNoFileOrThreadBehind) {
  FORAGER_NEEDS_KERNEL();
  const std::size_t files = open_files();
  const std::size_t running = threads();
  for (int i = 0; i < 3; ++i) {
    Rig rig;
    auto counts = std::make_shared<TestMap>(linux_test::spec_of(isa::MapType::array, 4, 8, 4), 1);
    auto ring = std::make_shared<TestMap>(linux_test::spec_of(isa::MapType::ringbuf, 0, 0, 4096), 1);
    auto perf = std::make_shared<TestMap>(linux_test::spec_of(isa::MapType::perf_event_array, 4, 4, 2), 1);
    rig.open("r1 = map[m0] ll\nr2 = map[m1] ll\nr3 = map[m2] ll\nr0 = 2\nexit\n", {counts, ring, perf});
    EXPECT_EQ(rig.run().return_value, XDP_PASS);
    EXPECT_EQ(threads(), running + 1);
  }
  EXPECT_EQ(open_files(), files);
  EXPECT_EQ(threads(), running);
}

TEST(LinuxDevice, LeavesTheCallersCpusAlone) {
  FORAGER_NEEDS_KERNEL();
  cpu_set_t before;
  cpu_set_t after;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  Rig rig;
  rig.open(kPass);
  (void)rig.run();
  ASSERT_EQ(sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

}  // namespace
}  // namespace forager
