// SPDX-License-Identifier: Apache-2.0
// Files of kept pins that are damaged, or made to harm: an error that names the file, the others usable, no crash.
#include <fcntl.h>

#include "syscall/pin_file.h"
#include "syscall/pin_records.h"
#include "syscall/pin_restore.h"
#include "syscall_pin_testing.h"

namespace forager::syscall::testing {
namespace {

using Bytes = std::vector<std::byte>;

// A map with an element, a program that uses it, one that uses nothing, and their pins.
class Damage : public PinDirectory {
 protected:
  void SetUp() override {
    PinDirectory::SetUp();
    {
      Life life(directory_);
      const int map = life.create(map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0, "m"));
      ASSERT_EQ(life.update(map, text_of(__u32{0}), text_of(__u64{7})), 0);
      ASSERT_EQ(life.pin(map, path("m")), 0);
      ASSERT_EQ(life.pin(life.load(counts_in(map)), path("p")), 0);
      ASSERT_EQ(life.pin(life.load(return_2()), path("alone")), 0);
    }
    descriptor_ = maps::Fd(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_EQ(files(), (std::vector<std::string>{"1.map", "2.pin", "3.prog", "4.pin", "5.prog", "6.pin"}));
  }

  [[nodiscard]] Bytes read(const std::string& name) const {
    std::ifstream file(directory_ + "/" + name, std::ios::binary);
    const Text text{std::istreambuf_iterator<char>(file), {}};
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
  }
  void write(const std::string& name, std::span<const std::byte> bytes) const {
    std::ofstream file(directory_ + "/" + name, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  // A whole file, whatever its record says.
  void write_record(const PinFile& file, std::span<const std::byte> record) const {
    ASSERT_TRUE(write_pin_file(descriptor_.get(), file, record).has_value());
  }
  [[nodiscard]] Bytes record(const PinFile& file) const { return *read_pin_file(descriptor_.get(), file); }

  struct Outcome {
    std::vector<std::string> left_out;
    bool map, program, alone;
  };
  // What is made of the directory as it is; nothing in it is written.
  [[nodiscard]] Outcome outcome() const {
    Process process;
    auto listed = list_pin_files(descriptor_.get(), directory_);
    EXPECT_TRUE(listed.has_value());
    const auto restored = restore_pins(process, descriptor_.get(), directory_, std::move(*listed));
    const auto there = [&](const char* name) { return process.files.pins().kind_at(path(name)).has_value(); };
    Outcome outcome{.left_out = {}, .map = there("m"), .program = there("p"), .alone = there("alone")};
    for (const Diagnostic& why : restored.left_out) outcome.left_out.push_back(why.text());
    return outcome;
  }
  // The one file that is left out for its own sake comes first.
  void expect_left_out(const std::string& name, const std::string& why) const {
    const Outcome seen = outcome();
    ASSERT_FALSE(seen.left_out.empty()) << why;
    EXPECT_EQ(seen.left_out.front(), directory_ + "/" + name + ": " + why);
    EXPECT_TRUE(seen.alone);
  }

  maps::Fd descriptor_;
};

constexpr PinFile kMap{RecordKind::map, 1}, kMapPin{RecordKind::pin, 2}, kProgram{RecordKind::program, 3};

TEST_F(Damage, WithoutItEverythingIsThere) {
  const Outcome seen = outcome();
  EXPECT_EQ(seen.left_out, std::vector<std::string>());
  EXPECT_TRUE(seen.map && seen.program && seen.alone);
}

TEST_F(Damage, AnyByteIsNoticed) {
  for (const std::string name : {"1.map", "2.pin", "3.prog"}) {
    const Bytes whole = read(name);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      Bytes damaged = whole;
      damaged[at] ^= std::byte{0x41};
      write(name, damaged);
      const Outcome seen = outcome();
      ASSERT_FALSE(seen.left_out.empty()) << name << " at " << at;
      ASSERT_TRUE(seen.left_out.front().starts_with(directory_ + "/" + name + ": ")) << seen.left_out.front();
      ASSERT_TRUE(seen.alone) << name << " at " << at;
    }
    write(name, whole);
  }
}

TEST_F(Damage, AnyMissingEndIsNoticed) {
  for (const std::string name : {"1.map", "2.pin", "3.prog"}) {
    const Bytes whole = read(name);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      write(name, std::span(whole).first(size));
      const Outcome seen = outcome();
      ASSERT_FALSE(seen.left_out.empty()) << name << " of " << size;
      ASSERT_TRUE(seen.left_out.front().starts_with(directory_ + "/" + name + ": ")) << seen.left_out.front();
      ASSERT_TRUE(seen.alone);
    }
    write(name, whole);
  }
}

// With a checksum that fits: what the record says is what is hostile.
TEST_F(Damage, AnyByteOfARecordDoesNoHarm) {
  for (const PinFile& file : {kMap, kMapPin, kProgram}) {
    const Bytes whole = record(file);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (const auto change : {std::byte{0x01}, std::byte{0x80}, std::byte{0xff}}) {
        Bytes changed = whole;
        changed[at] ^= change;
        write_record(file, changed);
        ASSERT_TRUE(outcome().alone) << name_of(file) << " at " << at;
      }
    }
    write_record(file, whole);
  }
}

TEST_F(Damage, AnyShorterRecordIsMalformed) {
  for (const PinFile& file : {kMap, kMapPin, kProgram}) {
    const Bytes whole = record(file);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      write_record(file, std::span(whole).first(size));
      expect_left_out(name_of(file), "is malformed");
    }
    Bytes longer = whole;
    longer.push_back(std::byte{0});
    write_record(file, longer);
    expect_left_out(name_of(file), "is malformed");
    write_record(file, whole);
  }
}

TEST_F(Damage, HeadersAreChecked) {
  Bytes bytes = read("1.map");
  write("3.prog", bytes);
  expect_left_out("3.prog", "holds another kind of object than its name says");
  bytes[0] = std::byte{'F'};
  write("1.map", bytes);
  expect_left_out("1.map", "is no file of kept pins");
  bytes[0] = std::byte{'f'};
  bytes[8] = std::byte{2};
  write("1.map", bytes);
  expect_left_out("1.map", "has version 2; this build knows version 1");
  bytes[8] = std::byte{1};
  bytes.back() ^= std::byte{1};
  write("1.map", bytes);
  expect_left_out("1.map", "is damaged: its checksum is another");
}

TEST_F(Damage, WhatIsNoFileIsNotRead) {
  std::filesystem::remove(directory_ + "/1.map");
  std::filesystem::create_symlink("3.prog", directory_ + "/1.map");
  expect_left_out("1.map", "cannot be opened: Too many levels of symbolic links");
  std::filesystem::remove(directory_ + "/1.map");
  ASSERT_EQ(mkfifo((directory_ + "/1.map").c_str(), 0600), 0);
  expect_left_out("1.map", "is no regular file");
}

TEST_F(Damage, WhatNeedsALostFileIsLeftOutToo) {
  std::filesystem::remove(directory_ + "/1.map");
  const Outcome seen = outcome();
  EXPECT_EQ(seen.left_out,
            (std::vector<std::string>{directory_ + "/3.prog: needs the object of file 1, which is not there",
                                      directory_ + "/2.pin: pins the object of file 1, which is not there",
                                      directory_ + "/4.pin: pins the object of file 3, which is not there"}));
  EXPECT_TRUE(seen.alone);
}

TEST_F(Damage, ProgramsAreVerifiedAgain) {
  auto program = *unpack<ProgramRecord>(record(kProgram));
  program.slots.resize(2);
  program.slots[0] = {.opcode = 0xbf, .dst = 0, .src = 5};  // r0 = r5
  program.slots[1] = {.opcode = 0x95};
  program.maps.clear();
  write_record(kProgram, pack(program));
  const Outcome seen = outcome();
  ASSERT_FALSE(seen.left_out.empty());
  EXPECT_TRUE(seen.left_out.front().starts_with(directory_ + "/3.prog: holds a program that does not load ("));
  EXPECT_NE(seen.left_out.front().find("R5 !read_ok"), std::string::npos) << seen.left_out.front();
  EXPECT_FALSE(seen.program);
}

TEST_F(Damage, InstructionsNameNoDescriptors) {
  const auto whole = *unpack<ProgramRecord>(record(kProgram));
  for (const std::uint8_t source : {BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE}) {
    auto program = whole;
    program.slots[0].src = source;
    write_record(kProgram, pack(program));
    expect_left_out("3.prog", "holds instructions that name no map of the program");
  }
  for (const std::int32_t index : {-1, 1, INT32_MAX}) {
    auto program = whole;
    program.slots[0].imm = index;
    write_record(kProgram, pack(program));
    expect_left_out("3.prog", "holds instructions that name no map of the program");
  }
}

TEST_F(Damage, ContentsMustFitTheMap) {
  const auto whole = *unpack<MapRecord>(record(kMap));
  auto map = whole;
  map.contents.values.pop_back();
  write_record(kMap, pack(map));
  expect_left_out("1.map", "has contents of another size than the map (per-CPU values: of another number of CPUs)");
  map = whole;
  map.contents.keys[0] = std::byte{9};
  write_record(kMap, pack(map));
  expect_left_out("1.map", "has an element that the map does not take: Argument list too long");
  map = whole;
  map.shape.type = BPF_MAP_TYPE_QUEUE;
  map.shape.key_size = 0;
  write_record(kMap, pack(map));
  expect_left_out("1.map", "has contents that such a map cannot have had");
}

TEST_F(Damage, ExamplesMustBePossible) {
  const auto whole = *unpack<MapRecord>(record(kMap));
  auto map = whole;
  map.shape.type = BPF_MAP_TYPE_ARRAY_OF_MAPS;
  map.shape.value_size = 4;
  map.contents = {};
  map.has_example = true;
  map.example = whole.shape;
  using Kind = program::ValueField::Kind;
  const std::vector<std::vector<program::ValueField>> impossible = {
      {{Kind::spin_lock, 8, 4}},                           // beyond the value
      {{Kind::spin_lock, 2, 4}},                           // misaligned
      {{Kind::spin_lock, 0, 8}},                           // of no lock's size
      {{Kind::spin_lock, 0, 4}, {Kind::spin_lock, 4, 4}},  // two
      {{static_cast<Kind>(77), 0, 4}},
  };
  for (const auto& fields : impossible) {
    map.example.fields = fields;
    write_record(kMap, pack(map));
    expect_left_out("1.map", "holds an example with impossible fields");
  }
  map.example.fields = {{Kind::spin_lock, 4, 4}};
  write_record(kMap, pack(map));
  EXPECT_TRUE(outcome().map);
}

TEST_F(Damage, PathsAreChecked) {
  for (const std::string where : {"relative", "/a/../b", "/a//b", "/", ""}) {
    write_record(kMapPin, pack(PinRecord{.path = where, .object = 1}));
    const Outcome seen = outcome();
    EXPECT_FALSE(seen.map);
    EXPECT_EQ(seen.left_out.size(), where == "/" ? 0U : 1U) << where;
  }
  write_record(kMapPin, pack(PinRecord{.path = path("alone"), .object = 1}));
  EXPECT_EQ(outcome().left_out.size(), 1U) << "two pins of one path";
  write_record(kMapPin, pack(PinRecord{.path = path("m"), .object = 2}));
  expect_left_out("2.pin", "pins the object of file 2, which is not there");
}

TEST_F(Damage, ANumberIsOneFiles) {
  std::filesystem::rename(directory_ + "/2.pin", directory_ + "/1.pin");
  EXPECT_EQ(outcome().left_out, std::vector<std::string>{directory_ + "/1.pin: has the number of another file"});
}

TEST_F(Damage, BadFilesStayAndSoDoesWhatTheyMayNeed) {
  Bytes bytes = read("3.prog");
  bytes.back() ^= std::byte{1};
  write("3.prog", bytes);
  {
    Life life(directory_);
    EXPECT_FALSE(life.left_out.empty());
    EXPECT_EQ(life.unlink(path("m")), 0);
    EXPECT_EQ(life.pin(life.load(return_2()), path("new")), 0);
  }
  EXPECT_EQ(read("3.prog"), bytes);
  bytes.back() ^= std::byte{1};
  write("3.prog", bytes);
  const Outcome repaired = outcome();
  EXPECT_EQ(repaired.left_out, std::vector<std::string>());
  EXPECT_TRUE(repaired.program && repaired.alone);
  EXPECT_FALSE(repaired.map) << "its pin was removed; the map itself is the program's";
}

TEST_F(Damage, UnfinishedFilesAreRemoved) {
  write("7.map.new", read("1.map"));
  write("notes.new", {});
  const Life life(directory_);
  EXPECT_EQ(life.left_out, std::vector<std::string>());
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/7.map.new"));
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/notes.new"));
}

}  // namespace
}  // namespace forager::syscall::testing
