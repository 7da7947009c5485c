// SPDX-License-Identifier: Apache-2.0
// Programs on devices: maps are bound, runs are counted, images are made once.
#include "runtime/session.h"

#include <array>

#include "runtime_testing.h"

namespace forager::runtime::testing {
namespace {

class Sessions : public ::testing::Test {
 protected:
  Result<Session> open(const std::shared_ptr<ProgramObject>& program, std::string backend = "interp") {
    SessionOptions options;
    options.placement.backend = std::move(backend);
    return Session::open(runtime_.environment, program, options);
  }
  static exec::Frame frame() {
    const std::array<std::byte, 64> bytes{};
    return std::move(*exec::Frame::make(bytes));
  }
  // Adds 1 to the first value of `counts` for each packet.
  std::shared_ptr<ProgramObject> counter(const std::shared_ptr<MapObject>& counts) {
    return load(runtime_,
                "*(u32 *)(r10 - 4) = 0\n"
                "r1 = map[counts] ll\n"
                "r2 = r10\n"
                "r2 += -4\n"
                "call 1\n"
                "if r0 == 0 goto +2\n"
                "r1 = 1\n"
                "lock *(u64 *)(r0 + 0) += r1\n"
                "r0 = 2\n"
                "exit\n",
                {counts});
  }
  Runtime runtime_;
};

TEST_F(Sessions, RunFramesOnTheirMaps) {
  const auto counts = make_map(runtime_, isa::MapType::array, 8, 1, "counts");
  const auto program = counter(counts);
  auto session = open(program);
  ASSERT_TRUE(session.has_value()) << session.error().text();
  EXPECT_EQ(session->backend(), "interp");
  std::array<exec::Frame, 3> frames = {frame(), frame(), frame()};
  const auto report = session->run(frames);
  ASSERT_TRUE(report.has_value()) << report.error().text();
  EXPECT_EQ(report->packets, 3U);
  for (const exec::Frame& one : frames) EXPECT_EQ(one.return_value, 2U);
  const std::uint32_t key = 0;
  std::uint64_t value = 0;
  EXPECT_EQ(counts->map->read(&key, &value, 0), 0);
  EXPECT_EQ(value, 3U);
  EXPECT_EQ(program->run_count, 0U) << "nobody asked for statistics";
}

TEST_F(Sessions, ShareTheirProgramsMaps) {
  const auto counts = make_map(runtime_, isa::MapType::array, 8, 1, "counts");
  const auto program = counter(counts);
  runtime_.statistics.always = true;
  auto first = open(program), second = open(program);
  ASSERT_TRUE(first.has_value());
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(&first->image(), &second->image()) << "compiled once";
  std::array<exec::Frame, 1> frames = {frame()};
  ASSERT_TRUE(first->run(frames).has_value());
  ASSERT_TRUE(second->run(frames).has_value());
  const std::uint32_t key = 0;
  std::uint64_t value = 0;
  EXPECT_EQ(counts->map->read(&key, &value, 0), 0);
  EXPECT_EQ(value, 2U);
  EXPECT_EQ(program->run_count, 2U);
}

TEST_F(Sessions, KeepTheirProgram) {
  auto program = load(runtime_, kPass);
  auto session = open(program);
  ASSERT_TRUE(session.has_value());
  program.reset();
  EXPECT_NE(runtime_.programs().next(0), std::nullopt);
  std::array<exec::Frame, 1> frames = {frame()};
  EXPECT_TRUE(session->run(frames).has_value());
}

TEST_F(Sessions, RefuseWhatTheBackendRefuses) {
  const auto session = open(load(runtime_, kPass, {}, isa::ProgType::ext));
  ASSERT_FALSE(session.has_value());
  EXPECT_EQ(session.error().kind, ErrorKind::unsupported);
}

}  // namespace
}  // namespace forager::runtime::testing
