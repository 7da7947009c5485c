// SPDX-License-Identifier: Apache-2.0
//
// Iterators on the interpreter: what they are shown, what they write, and what stops one that nobody verified. Programs
// run in each of the interpreter's modes.
#include "exec/event.h"
#include "exec/visit.h"
#include "exec_testing.h"
#include "isa/iterators.h"

namespace forager::interp {
namespace {

using exec::Frame;
using exec::MapSpec;
using exec::testing::make_array;
using exec::testing::MapRef;
using exec::testing::plain_environment;
using exec::testing::trap_of;
using ::testing::HasSubstr;

struct Mode {
  const char* name;
  bool checked, facts;
};

class Visits : public ::testing::TestWithParam<Mode> {
 protected:
  static Result<program::Program> decode(const std::string& text, const std::vector<MapRef>& maps) {
    program::Source source{.name = "visit", .type = isa::ProgType::tracing, .gpl_compatible = true};
    source.attach_type = static_cast<std::uint32_t>(isa::AttachType::trace_iter);
    source.iterator = isa::find_iterator("bpf_iter_bpf_map_elem");
    source.members = {{.of = isa::KernelStruct::bpf_map, .name = "id", .offset = 4, .size = 4}};
    for (const MapRef& map : maps) source.maps.push_back(map->spec());
    auto slots = program::assemble(text, std::vector<std::string>(maps.size()));
    if (!slots) return std::unexpected(std::move(slots.error()));
    source.slots = std::move(*slots);
    return program::Program::decode(std::move(source));
  }

  // Shows the visit to the program; r0, and the reason if it was stopped.
  Frame show(const std::string& text, const exec::Visit* visit, const std::vector<MapRef>& maps = {},
             bool unverified = false) {
    Frame frame;
    frame.event = std::make_shared<exec::Event>();
    frame.event->visit = visit;
    auto decoded = decode(text, maps);
    if (!decoded) {
      ADD_FAILURE() << decoded.error().text();
      return frame;
    }
    Result<std::shared_ptr<const verifier::VerifiedProgram>> verified =
        unverified ? decltype(verified)(verifier::UnverifiedForTests::make(std::move(*decoded)))
                   : verifier::verify(std::move(*decoded));
    if (!verified) {
      ADD_FAILURE() << verified.error().text();
      return frame;
    }
    const bool facts = GetParam().facts && !unverified;
    auto image = backend().compile(*verified, {.checked = GetParam().checked, .assert_facts = facts});
    auto device = backend().open({.environment = &plain_environment()});
    EXPECT_TRUE(image && device && (*device)->load(*image));
    for (std::uint32_t i = 0; i < maps.size(); ++i) EXPECT_TRUE((*device)->bind(i, maps[i]));
    EXPECT_TRUE((*device)->run({&frame, 1}));
    return frame;
  }

  [[nodiscard]] std::string written() const {
    return {reinterpret_cast<const char*>(file_.text().data()), file_.count()};
  }

  exec::SeqFile file_;
  std::array<std::byte, 4> key_{std::byte{'k'}, std::byte{'e'}, std::byte{'y'}, std::byte{'!'}};
  std::array<std::byte, 16> value_{};
  std::array<std::byte, 8> map_{{{}, {}, {}, {}, std::byte{77}}};
};
INSTANTIATE_TEST_SUITE_P(Modes, Visits,
                         ::testing::Values(Mode{"plain", false, false}, Mode{"checked", true, false},
                                           Mode{"facts", false, true}),
                         [](const auto& info) { return info.param.name; });

TEST_P(Visits, ShowWhoIsVisitedAndInWhichOrder) {
  const exec::Visit visit{.seq = &file_, .session_id = 5, .seq_num = 9, .map = map_, .key = {}, .value = {}};
  const std::string meta = "r2 = *(u64 *)(r1 +0)\n";
  const Frame frame = show(meta +
                               "r0 = *(u64 *)(r2 +8)\nr3 = *(u64 *)(r2 +16)\nr1 = *(u64 *)(r1 +8)\n"
                               "r1 = *(u32 *)(r1 +4)\nif r0 != 5 goto no\nif r3 != 9 goto no\nif r1 != 77 goto no\n"
                               "r0 = 1\nexit\nno: r0 = 0\nexit",
                           &visit);
  EXPECT_EQ(trap_of(frame), "");
  EXPECT_EQ(frame.return_value, 1U);
}

TEST_P(Visits, KeysAreReadAndWritten) {
  const exec::Visit visit{.seq = &file_, .map = map_, .key = key_, .value = value_};
  const Frame frame = show(
      "r6 = r1\nr1 = *(u64 *)(r1 +0)\nr1 = *(u64 *)(r1 +0)\nr2 = *(u64 *)(r6 +16)\nif r2 == 0 goto out\nr3 = 4\n"
      "call bpf_seq_write\nout: r0 = 0\nexit",
      &visit);
  EXPECT_EQ(trap_of(frame), "");
  EXPECT_EQ(written(), "key!");
}

TEST_P(Visits, TextsAreFormatted) {
  const exec::Visit visit{.seq = &file_, .map = map_, .key = key_, .value = value_};
  // "<%c>" and its zero
  const std::string text =
      "*(u64 *)(r10 -16) = 0x3e63253c\n*(u64 *)(r10 -8) = 65\nr1 = *(u64 *)(r1 +0)\nr1 = *(u64 *)(r1 +0)\n"
      "r2 = r10\nr2 += -16\nr3 = 5\nr4 = r10\nr4 += -8\nr5 = 8\ncall bpf_seq_printf\nr0 = 0\nexit";
  EXPECT_EQ(trap_of(show(text, &visit)), "");
  EXPECT_EQ(written(), "<A>");
}

TEST_P(Visits, ValuesAreChangedThroughTheirPointer) {
  const exec::Visit visit{.seq = &file_, .map = map_, .key = key_, .value = value_};
  EXPECT_EQ(trap_of(show("r2 = *(u64 *)(r1 +24)\nif r2 == 0 goto out\n*(u8 *)(r2 +15) = 3\nout: r0 = 0\nexit", &visit)),
            "");
  EXPECT_EQ(value_[15], std::byte{3});
}

TEST_P(Visits, BehindTheLastThereIsNothingToSee) {
  const exec::Visit visit{.seq = &file_, .map = map_, .key = {}, .value = {}};
  const Frame frame = show(
      "r2 = *(u64 *)(r1 +16)\nr3 = *(u64 *)(r1 +24)\nr0 = 1\nif r2 != 0 goto out\nif r3 != 0 goto out\n"
      "r0 = 0\nout: exit",
      &visit);
  EXPECT_EQ(trap_of(frame), "");
  EXPECT_EQ(frame.return_value, 0U);
}

// The map that is visited may be one that the program uses: facts about it hold all the same.
TEST_P(Visits, AValueOfAMapThatTheProgramUses) {
  const auto array = make_array(8);
  const std::uint32_t index = 0;
  auto* const value = static_cast<std::byte*>(array->lookup(&index, 0));
  const exec::Visit visit{
      .seq = &file_, .map = map_, .key = key_, .value = std::span(value, 8), .value_map = array.get()};
  const std::string text =
      "r6 = r1\n*(u32 *)(r10 -4) = 0\nr1 = map[0] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\n"
      "if r0 == 0 goto out\nr7 = *(u64 *)(r0 +0)\nr2 = *(u64 *)(r6 +24)\nif r2 == 0 goto out\n*(u64 *)(r2 +0) = 6\n"
      "r7 = *(u64 *)(r0 +0)\nif r7 != 6 goto out\nr0 = 1\nexit\nout: r0 = 0\nexit";
  const Frame frame = show(text, &visit, {array});
  EXPECT_EQ(trap_of(frame), "");
  EXPECT_EQ(frame.return_value, 1U);
}

// ---- programs that nobody verified ---------------------------------------------------------------------------------

TEST_P(Visits, NobodyReadsBehindAKeyOrWritesToIt) {
  const exec::Visit visit{.seq = &file_, .map = map_, .key = key_, .value = value_};
  const std::string key = "r2 = *(u64 *)(r1 +16)\n";
  EXPECT_THAT(trap_of(show(key + "r0 = *(u8 *)(r2 +4)\nexit", &visit, {}, true)), HasSubstr("offset 4"));
  EXPECT_THAT(trap_of(show(key + "*(u8 *)(r2 +0) = 1\nr0 = 0\nexit", &visit, {}, true)),
              HasSubstr("programs may not write"));
}

TEST_P(Visits, OnlyTheFileIsWrittenTo) {
  const exec::Visit visit{.seq = &file_, .map = map_, .key = key_, .value = value_};
  const std::string write = "r2 = r10\nr2 += -8\n*(u64 *)(r10 -8) = 0\nr3 = 8\ncall bpf_seq_write\nr0 = 0\nexit";
  EXPECT_THAT(trap_of(show("r1 = *(u64 *)(r1 +8)\n" + write, &visit, {}, true)), HasSubstr("seq_file"));
  EXPECT_THAT(trap_of(show("r1 = *(u64 *)(r1 +0)\nr1 = *(u64 *)(r1 +0)\nr0 = *(u8 *)(r1 +0)\nexit", &visit, {}, true)),
              HasSubstr("a kernel object"));
  EXPECT_EQ(written(), "");
}

TEST_P(Visits, AProgramThatIsShownNothingFindsNull) {
  const Frame frame = show("r1 = *(u64 *)(r1 +0)\nr0 = *(u64 *)(r1 +8)\nr0 = 0\nexit", nullptr, {}, true);
  EXPECT_THAT(trap_of(frame), HasSubstr("no pointer"));
}

}  // namespace
}  // namespace forager::interp
