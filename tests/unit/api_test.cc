// SPDX-License-Identifier: Apache-2.0
//
// Objects, programs and maps of the public library.
#include <gmock/gmock.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "forager/bpf.h"
#include "tests/unit/api_testing.h"

namespace forager {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

template <class T>
std::vector<std::string> names_of(const std::vector<T>& things) {
  std::vector<std::string> out;
  out.reserve(things.size());
  for (const T& thing : things) out.push_back(thing.name());
  return out;
}

// ---- objects and programs

TEST(ApiObject, NamesItsProgramsAndMaps) {
  const Object object = loaded("api/api_mixed");
  EXPECT_THAT(names_of(object.programs()), UnorderedElementsAre("count_on_this_cpu", "redirect_but_drop", "classify"));
  EXPECT_THAT(names_of(object.maps()), UnorderedElementsAre("table", "lanes", "ring"));
}

TEST(ApiObject, ProgramsKnowWhatTheyAre) {
  const Object object = loaded("api/api_mixed");
  const auto xdp = object.program("count_on_this_cpu"), tc = object.program("classify");
  ASSERT_TRUE(xdp && tc);
  EXPECT_EQ(xdp->name(), "count_on_this_cpu");
  EXPECT_EQ(xdp->type(), "xdp");
  EXPECT_EQ(tc->type(), "sched_cls");
  EXPECT_NE(xdp->id(), tc->id());
  EXPECT_THAT(xdp->disassembly(), AllOf(HasSubstr("exit"), HasSubstr("*count += 1")));
}

TEST(ApiObject, TheOnlyProgramNeedsNoName) {
  const auto program = loaded("xdp_tx").program();
  ASSERT_TRUE(program);
  EXPECT_EQ(program->name(), "xdp_tx");
}

TEST(ApiObject, SeveralProgramsNeedAName) {
  const auto program = loaded("api/api_mixed").program();
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().kind, ErrorKind::input);
  EXPECT_THAT(program.error().text(), AllOf(HasSubstr("count_on_this_cpu"), HasSubstr("classify")));
}

TEST(ApiObject, MissingNamesAreAnsweredWithThoseThereAre) {
  const Object object = loaded("api/api_mixed");
  const auto program = object.program("nothing");
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().error, ENOENT);
  EXPECT_THAT(program.error().text(), AllOf(HasSubstr("'nothing'"), HasSubstr("classify")));
  const auto map = object.map("nothing");
  ASSERT_FALSE(map);
  EXPECT_EQ(map.error().kind, ErrorKind::input);
  EXPECT_THAT(map.error().text(), AllOf(HasSubstr("'nothing'"), HasSubstr("table")));
}

TEST(ApiObject, AProgramThatWasLeftOutSaysSo) {
  const auto program = loaded("api/api_mixed").program("left_out");
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().kind, ErrorKind::input);
  EXPECT_THAT(program.error().text(), HasSubstr("begins with '?'"));
}

TEST(ApiObject, HandlesOutliveTheirObject) {
  std::optional<Object> object = loaded("api/api_mixed");
  const Map map = *object->map("table");
  const Program program = *object->program("classify");
  object.reset();
  EXPECT_TRUE(map.update(bytes_of(1U), bytes_of(std::uint64_t{2})));
  EXPECT_EQ(value_of<std::uint64_t>(*map.lookup(bytes_of(1U))), 2U);
  EXPECT_EQ(program.name(), "classify");
}

TEST(ApiObject, CopiesAndMovesNameTheSameMaps) {
  Object first = loaded("api/api_mixed");
  const Object copy = first;
  const Object moved = std::move(first);
  ASSERT_TRUE(copy.map("table")->update(bytes_of(1U), bytes_of(std::uint64_t{2})));
  EXPECT_EQ(value_of<std::uint64_t>(*moved.map("table")->lookup(bytes_of(1U))), 2U);
  EXPECT_EQ(copy.map("table")->id(), moved.map("table")->id());
}

TEST(ApiObject, TwoObjectsOfOneFileShareNothing) {
  const Object one = loaded("api/api_mixed"), other = loaded("api/api_mixed");
  ASSERT_TRUE(one.map("table")->update(bytes_of(1U), bytes_of(std::uint64_t{2})));
  EXPECT_FALSE(other.map("table")->lookup(bytes_of(1U)));
  EXPECT_NE(one.map("table")->id(), other.map("table")->id());
}

TEST(ApiObject, LoadsOnManyThreadsDoNotMixUpTheirErrors) {
  std::vector<std::string> errors(4);
  std::vector<std::thread> threads(errors.size());
  for (std::size_t i = 0; i < errors.size(); ++i) {
    threads[i] = std::thread([&errors, i] {
      for (int round = 0; round < 20; ++round) {
        const auto object = Object::load(program_path(i % 2 == 0 ? "api/api_refused" : "xdp_rxq_info"));
        errors[i] = object ? "" : object.error().message;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < errors.size(); ++i) {
    const bool refused = errors[i].find("calls_what_is_not_there: invalid func") != std::string::npos;
    EXPECT_TRUE(i % 2 == 0 ? refused : errors[i].empty()) << errors[i];
  }
}

// ---- what cannot be loaded

TEST(ApiLoad, AMissingFile) {
  const auto object = Object::load("/nowhere/at_all.bpf.o");
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().kind, ErrorKind::input);
  EXPECT_EQ(object.error().error, ENOENT);
  EXPECT_THAT(object.error().text(), HasSubstr("/nowhere/at_all.bpf.o"));
}

TEST(ApiLoad, AFileThatIsNoElf) {
  const std::string path = testing::TempDir() + "api_test_no_elf";
  std::ofstream(path) << "int main() {}";
  const auto object = Object::load(path);
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().kind, ErrorKind::input);
  EXPECT_EQ(object.error().text(), path + ": not an ELF file; a BPF object file (clang -target bpf -c) is wanted");
}

TEST(ApiLoad, AnElfFileForAnotherMachine) {
  const auto object = Object::load("/proc/self/exe");
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().kind, ErrorKind::input);
  EXPECT_THAT(object.error().text(), HasSubstr("not for BPF"));
}

TEST(ApiLoad, ATruncatedObject) {
  std::ifstream whole(program_path("xdp_tx"), std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(whole), {}};
  const std::string path = testing::TempDir() + "api_test_truncated";
  std::ofstream(path, std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  const auto object = Object::load(path);
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().kind, ErrorKind::input);
  EXPECT_THAT(object.error().text(), HasSubstr("truncated"));
}

TEST(ApiLoad, ARefusedProgramIsNamedWithItsInstruction) {
  const auto object = Object::load(program_path("api/api_refused"));
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().kind, ErrorKind::rejected);
  EXPECT_EQ(object.error().instruction, 0U);
  EXPECT_THAT(object.error().text(), AllOf(HasSubstr("api_refused.bpf.o: calls_what_is_not_there: "), HasSubstr("9999"),
                                           HasSubstr("return no_such_helper()")));
  EXPECT_EQ(object.error().text().find('\n'), std::string::npos);
}

TEST(ApiLoad, LeavesNoDescriptorsBehind) {
  for (const char* name : {"api/api_mixed", "xdp_tail_parser", "xdp_core_globals", "api/api_refused"}) {
    const bool good = Object::load(program_path(name)).has_value();  // opens what is opened once for the whole process
    const int before = open_descriptors();
    {
      const auto object = Object::load(program_path(name));
      EXPECT_EQ(open_descriptors() > before, good) << name;
    }
    EXPECT_EQ(open_descriptors(), before) << name;
  }
}

// ---- maps

TEST(ApiMap, KnowsItsShape) {
  const Object object = loaded("api/api_mixed");
  const Map table = *object.map("table");
  EXPECT_EQ(table.type(), "hash");
  EXPECT_EQ(table.key_size(), 4U);
  EXPECT_EQ(table.value_size(), 8U);
  EXPECT_EQ(table.host_value_size(), 8U);
  EXPECT_EQ(table.max_entries(), 2U);
  EXPECT_EQ(object.map("lanes")->type(), "percpu_hash");
}

TEST(ApiMap, UpdatesFindsAndErases) {
  const Map table = *loaded("api/api_mixed").map("table");
  ASSERT_TRUE(table.update(bytes_of(1U), bytes_of(std::uint64_t{10})));
  ASSERT_TRUE(table.update(bytes_of(1U), bytes_of(std::uint64_t{11}), BPF_EXIST));
  EXPECT_EQ(value_of<std::uint64_t>(*table.lookup(bytes_of(1U))), 11U);
  ASSERT_TRUE(table.erase(bytes_of(1U)));
  EXPECT_EQ(table.lookup(bytes_of(1U)).error().error, ENOENT);
}

TEST(ApiMap, ErrorsAreLinuxsAndSayWhatIsMeant) {
  const Map table = *loaded("api/api_mixed").map("table");
  const auto value = bytes_of(std::uint64_t{1});
  ASSERT_TRUE(table.update(bytes_of(1U), value) && table.update(bytes_of(2U), value));
  const auto full = table.update(bytes_of(3U), value), there = table.update(bytes_of(1U), value, BPF_NOEXIST);
  const auto gone = table.erase(bytes_of(4U));
  ASSERT_FALSE(full || there || gone);
  EXPECT_EQ(full.error().error, E2BIG);
  EXPECT_EQ(there.error().error, EEXIST);
  EXPECT_EQ(gone.error().kind, ErrorKind::system);
  EXPECT_EQ(gone.error().text(), "map table: delete: no such key");
}

TEST(ApiMap, WrongSizesAreRefusedBeforeAnythingIsRead) {
  const Map table = *loaded("api/api_mixed").map("table");
  const auto key = bytes_of(1U), value = bytes_of(std::uint64_t{1});
  const auto short_key = table.lookup(Bytes(3)), no_key = table.lookup({});
  const auto long_key = table.erase(Bytes(5)), short_value = table.update(key, Bytes(7));
  ASSERT_FALSE(short_key || no_key || long_key || short_value);
  for (const Diagnostic& error : {short_key.error(), no_key.error(), long_key.error(), short_value.error()}) {
    EXPECT_EQ(error.kind, ErrorKind::input);
    EXPECT_EQ(error.error, EINVAL);
  }
  EXPECT_EQ(short_value.error().text(), "map table: a value of 7 bytes, 8 wanted");
}

TEST(ApiMap, KeysAreAllThatAreThere) {
  const Map table = *loaded("api/api_mixed").map("table");
  EXPECT_TRUE(table.keys()->empty());
  ASSERT_TRUE(table.update(bytes_of(1U), bytes_of(std::uint64_t{1})));
  ASSERT_TRUE(table.update(bytes_of(9U), bytes_of(std::uint64_t{1})));
  EXPECT_THAT(*table.keys(), UnorderedElementsAre(bytes_of(1U), bytes_of(9U)));
}

TEST(ApiMap, PerCpuValuesHaveOneSlotForEachCpu) {
  const Object object = loaded("api/api_mixed");
  const Map lanes = *object.map("lanes");
  constexpr std::size_t kSlot = 8;  // 4 bytes, rounded up
  Bytes value(lanes.host_value_size());
  ASSERT_EQ(value.size(), kSlot * static_cast<std::size_t>(::sysconf(_SC_NPROCESSORS_CONF)));
  for (std::size_t at = 0; at < value.size(); at += kSlot) value[at] = static_cast<std::byte>(at / kSlot + 1);
  ASSERT_TRUE(lanes.update(bytes_of(7U), value));
  EXPECT_EQ(*lanes.lookup(bytes_of(7U)), value);
  const auto one_slot = lanes.update(bytes_of(7U), bytes_of(1U));
  ASSERT_FALSE(one_slot);
  EXPECT_EQ(one_slot.error().text(), "map lanes: a value of 4 bytes, " + std::to_string(value.size()) + " wanted");
}

TEST(ApiMap, AMapWithoutKeysSaysWhatItCannotDo) {
  const Map ring = *loaded("api/api_mixed").map("ring");
  EXPECT_EQ(ring.type(), "ringbuf");
  const auto keys = ring.keys();
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().kind, ErrorKind::system);
  EXPECT_EQ(keys.error().text(), "map ring: next key: maps of this type do not do that");
}

// ---- bpf(2)

TEST(ApiBpf, IsTheSameRuntime) {
  const Object object = loaded("api/api_mixed");
  bpf_attr attr{};
  attr.map_id = object.map("table")->id();
  const long fd = forager_bpf(BPF_MAP_GET_FD_BY_ID, &attr, sizeof attr);
  ASSERT_GE(fd, 0);
  const std::uint32_t key = 1;
  const std::uint64_t value = 77;
  attr = {};
  attr.map_fd = static_cast<std::uint32_t>(fd);
  attr.key = reinterpret_cast<std::uintptr_t>(&key);
  attr.value = reinterpret_cast<std::uintptr_t>(&value);
  EXPECT_EQ(forager_bpf(BPF_MAP_UPDATE_ELEM, &attr, sizeof attr), 0);
  EXPECT_EQ(value_of<std::uint64_t>(*object.map("table")->lookup(bytes_of(key))), 77U);
  EXPECT_EQ(::close(static_cast<int>(fd)), 0);
}

TEST(ApiBpf, ErrorsAreNegativeAndErrnoIsLeftAlone) {
  errno = 0;
  EXPECT_EQ(forager_bpf(BPF_MAP_CREATE, nullptr, 128), -EFAULT);
  EXPECT_EQ(errno, 0);
}

}  // namespace
}  // namespace forager
