// SPDX-License-Identifier: Apache-2.0
//
// What profilers and debuggers are told of machine code: read back from the files, and from the debugger's list.
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "exec_testing.h"
#include "jit-backends/common/records/code_symbols.h"
#include "jit-backends/common/records/debugger.h"
#include "jit-backends/common/records/perf_map.h"
#include "jit-backends/common/records/record_code.h"
#include "jit_testing.h"

namespace forager::jit {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::shared_ptr<const verifier::VerifiedProgram> two_functions(const std::string& name = "probe") {
  program::Source source;
  source.name = name;
  source.type = isa::ProgType::xdp;
  source.slots = program::assemble("r0 = 1\ncall f\nr0 += 1\nexit\nf: r0 = 5\nr0 += r1\nexit", {}).value();
  source.slots[5].src = 0;  // r0 += r0
  source.lines = {{.slot = 0, .file = "a.c", .line = 10, .text = "call"},
                  {.slot = 2, .file = "a.c", .line = 300, .text = "add"},
                  {.slot = 4, .file = "b.h", .line = 2, .text = "five"},
                  {.slot = 5, .file = "b.h", .line = 3, .text = "double"}};
  source.functions = {{.slot = 0, .name = "outer"}, {.slot = 4, .name = "inner name"}};
  return verifier::verify(program::Program::decode(std::move(source)).value()).value();
}

// A program on a device of its own, linked.
struct Running {
  explicit Running(const std::shared_ptr<const verifier::VerifiedProgram>& program) {
    image = std::dynamic_pointer_cast<const JitImage>(testing::jit_here()->compile(program, {}).value());
    device = testing::jit_here()->open({.environment = &exec::testing::plain_environment()}).value();
    EXPECT_TRUE(device->load(image));
    exec::Frame frame = *exec::Frame::make(exec::testing::as_bytes(exec::testing::Bytes(64)));
    EXPECT_TRUE(device->run({&frame, 1}));
    EXPECT_EQ(frame.return_value, 11U);
  }
  [[nodiscard]] std::span<const std::byte> place() const {
    std::span<const std::byte> found;
    CodeRegistry::of_process().with_place(*image, [&](std::span<const std::byte> place) { found = place; });
    return found;
  }

  std::shared_ptr<const JitImage> image;
  std::unique_ptr<exec::Device> device;
};

class JitProfilers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::jit_here() == nullptr) GTEST_SKIP() << "no JIT of ours runs on this machine";
    char name[] = "/tmp/forager-profilers-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    CodeRegistry::of_process().silence();
    std::error_code ignored;
    if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
  }

  [[nodiscard]] std::string map_path() const { return directory_ + "/perf-" + std::to_string(getpid()) + ".map"; }
  [[nodiscard]] std::string dump_path() const { return directory_ + "/jit-" + std::to_string(getpid()) + ".dump"; }
  [[nodiscard]] CodeRecords map_here() const { return {.perf_map = true, .directory = directory_}; }

  std::string directory_;
};

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// ---- symbols and lines ---------------------------------------------------------------------------------------------

TEST_F(JitProfilers, SymbolsCoverTheCode) {
  const Running running(two_functions());
  const auto symbols = symbols_of(*running.image);
  ASSERT_EQ(symbols.size(), 3U);
  EXPECT_EQ(symbols[0].name, "bpf_enter_probe");
  EXPECT_EQ(symbols[1].name, "bpf_prog_8b91b7a34fb49313_outer");  // as sha1sum(1) has it
  EXPECT_EQ(symbols[2].name, "bpf_prog_86f29baef5d88260_inner_name");
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
    EXPECT_EQ(symbols[i].offset + symbols[i].size, symbols[i + 1].offset);
  }
  EXPECT_EQ(symbols[2].offset + symbols[2].size, running.image->code().code_end);
}

TEST_F(JitProfilers, EveryInstructionHasAPlaceInItsFunction) {
  const Running running(two_functions());
  const auto functions = functions_of(*running.image);
  const auto offsets = offsets_of(*running.image);
  const auto& program = running.image->program().program();
  ASSERT_EQ(functions.size(), 2U);
  ASSERT_EQ(offsets.size(), 7U);
  for (std::uint32_t i = 0; i < offsets.size(); ++i) {
    const CodeSpan& function = functions[program.subprogram_of(i)];
    EXPECT_GE(offsets[i], function.offset) << i;
    EXPECT_LE(offsets[i], function.offset + function.size) << i;
  }
  for (const CodeLine& each : running.image->code().lines) EXPECT_LE(offsets[each.instruction], each.offset);
}

TEST_F(JitProfilers, PlacesEndWithTheirDevice) {
  Running running(two_functions());
  EXPECT_EQ(running.place().size(), running.image->code().bytes.size());
  running.device.reset();
  EXPECT_TRUE(running.place().empty());
}

// ---- perf map ------------------------------------------------------------------------------------------------------

// As perf does it: the name of the function that an address is in.
std::string resolve(const std::string& map, std::uint64_t address) {
  std::istringstream lines(map);
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::uint64_t start = 0, size = 0;
    std::string name;
    words >> std::hex >> start >> size >> name;
    EXPECT_TRUE(words) << line;
    if (address < start || address - start >= size) continue;
    EXPECT_EQ(found, "") << "two functions at one address";
    found = name;
  }
  return found;
}

TEST_F(JitProfilers, TheMapNamesRunningCode) {
  const Running before(two_functions("early"));
  ASSERT_TRUE(record_code(map_here()));
  const Running running(two_functions());
  const std::string map = contents(map_path());
  for (const Running* each : {&before, &running}) {
    for (const CodeSymbol& symbol : symbols_of(*each->image)) {
      const auto begin = reinterpret_cast<std::uint64_t>(each->place().data()) + symbol.offset;
      EXPECT_EQ(resolve(map, begin), symbol.name);
      EXPECT_EQ(resolve(map, begin + symbol.size - 1), symbol.name);
    }
  }
}

TEST_F(JitProfilers, LinesOfMemoryThatIsUsedAgainAreStruck) {
  auto map = PerfMap::make(directory_);
  ASSERT_TRUE(map) << map.error().text();
  std::ofstream(map_path(), std::ios::app) << "10 20 of_another_compiler\n";
  const auto compile = [](const std::string& name) {
    return std::dynamic_pointer_cast<const JitImage>(testing::jit_here()->compile(two_functions(name), {}).value());
  };
  const auto old = compile("old"), young = compile("young");
  std::vector<std::byte> memory(8192);
  const auto place = [&](std::size_t at) { return std::span(memory).subspan(at, old->code().bytes.size()); };
  ASSERT_TRUE((*map)->added({old, place(0)}));
  ASSERT_TRUE((*map)->added({old, place(4096)}));
  (*map)->removed({old, place(0)});
  const auto at = reinterpret_cast<std::uint64_t>(memory.data());
  EXPECT_EQ(resolve(contents(map_path()), at), "bpf_enter_old") << "a sample may still name it";
  ASSERT_TRUE((*map)->added({young, place(16)}));
  const std::string text = contents(map_path());
  EXPECT_EQ(resolve(text, at + 16), "bpf_enter_young");
  EXPECT_EQ(resolve(text, at + 4096), "bpf_enter_old");
  EXPECT_EQ(resolve(text, 0x15), "of_another_compiler");
}

TEST_F(JitProfilers, AMapOfAnEarlierProcessIsEmptied) {
  std::ofstream(map_path()) << "10 20 of_the_dead\n";
  const timespec long_ago[2] = {{.tv_sec = 1000, .tv_nsec = 0}, {.tv_sec = 1000, .tv_nsec = 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, map_path().c_str(), long_ago, 0), 0);
  ASSERT_TRUE(record_code(map_here()));
  EXPECT_EQ(resolve(contents(map_path()), 0x15), "");
}

// ---- files that cannot be used -------------------------------------------------------------------------------------

TEST_F(JitProfilers, LinksAreNotFollowed) {
  const std::string victim = directory_ + "/victim";
  std::ofstream(victim) << "precious";
  ASSERT_EQ(symlink(victim.c_str(), map_path().c_str()), 0);
  ASSERT_EQ(link(victim.c_str(), dump_path().c_str()), 0);
  EXPECT_FALSE(record_code(map_here()));
  EXPECT_FALSE(record_code({.jitdump = true, .directory = directory_}));
  EXPECT_EQ(contents(victim), "precious");
}

TEST_F(JitProfilers, WhatIsNoFileIsRefused) {
  ASSERT_EQ(mkfifo(map_path().c_str(), 0600), 0);
  EXPECT_FALSE(record_code(map_here()));
  ASSERT_EQ(mkdir(dump_path().c_str(), 0700), 0);
  EXPECT_FALSE(record_code({.jitdump = true, .directory = directory_}));
}

TEST_F(JitProfilers, ADirectoryThatThereIsNot) {
  const auto done = record_code({.perf_map = true, .directory = directory_ + "/none"});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error, ENOENT);
  EXPECT_THAT(done.error().message, HasSubstr(directory_ + "/none/perf-"));
  const Running runs(two_functions());
}

TEST_F(JitProfilers, ASecondRecordOfAKindIsRefused) {
  const CodeRecords all = {.perf_map = true, .jitdump = true, .debugger = true, .directory = directory_};
  ASSERT_TRUE(record_code(all));
  const Running runs(two_functions());
  const std::string map = contents(map_path()), dump = contents(dump_path());
  const auto again = record_code(all);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().error, EBUSY);
  EXPECT_EQ(contents(map_path()), map);
  EXPECT_EQ(contents(dump_path()), dump);
  CodeRegistry::of_process().silence();
  EXPECT_TRUE(record_code(all));
}

TEST_F(JitProfilers, AListenerThatFailsIsToldNoMore) {
  struct Failing final : CodeListener {
    Result<> added(const PlacedCode&) override { return fail(ErrorKind::system, ENOSPC, "full"); }
    void removed(const PlacedCode&) noexcept override { ADD_FAILURE(); }
  };
  std::vector<std::string> told;
  ASSERT_TRUE(CodeRegistry::of_process().listen(std::make_unique<Failing>(),
                                                [&](const Diagnostic& why) { told.push_back(why.message); }));
  {
    const Running first(two_functions()), second(two_functions());
  }
  EXPECT_EQ(told, std::vector<std::string>{"full"});
}

TEST_F(JitProfilers, ChildrenWriteNothing) {
  ASSERT_TRUE(record_code({.perf_map = true, .jitdump = true, .directory = directory_}));
  const std::string map = contents(map_path()), dump = contents(dump_path());
  const pid_t child = fork();
  if (child == 0) {
    {
      const Running in_child(two_functions());
    }
    CodeRegistry::of_process().silence();
    _exit(0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(contents(map_path()), map);
  EXPECT_EQ(contents(dump_path()), dump);
}

// ---- jitdump -------------------------------------------------------------------------------------------------------

// Reads numbers off a file's bytes.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  template <class T>
  T take() {
    T value{};
    EXPECT_LE(sizeof value, bytes_.size());
    if (sizeof value > bytes_.size()) return value;
    bytes_.copy(reinterpret_cast<char*>(&value), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }
  std::string_view take_bytes(std::size_t count) {
    EXPECT_LE(count, bytes_.size());
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  std::string take_text() {
    const std::string text(take_bytes(std::min(bytes_.find('\0'), bytes_.size())));
    take_bytes(1);
    return text;
  }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

struct DumpLine {
  std::uint64_t address = 0;
  std::uint32_t line = 0;
  std::string file;
  friend bool operator==(const DumpLine&, const DumpLine&) = default;
};

struct Dump {
  struct Function {
    std::string name, bytes;
    std::uint64_t address = 0, index = 0;
    std::vector<DumpLine> lines;
  };
  std::vector<Function> functions;
  bool closed = false;
};

std::vector<DumpLine> read_lines(Reader& body) {
  std::vector<DumpLine> lines;
  body.take<std::uint64_t>();
  for (auto left = body.take<std::uint64_t>(); left != 0; --left) {
    DumpLine line{.address = body.take<std::uint64_t>(), .line = body.take<std::uint32_t>(), .file = {}};
    body.take<std::uint32_t>();
    line.file = body.take_text();
    lines.push_back(line);
  }
  return lines;
}

Dump::Function read_code(Reader& body) {
  EXPECT_EQ(body.take<std::uint32_t>(), static_cast<std::uint32_t>(getpid()));
  EXPECT_EQ(body.take<std::uint32_t>(), static_cast<std::uint32_t>(gettid()));
  Dump::Function function;
  function.address = body.take<std::uint64_t>();
  EXPECT_EQ(body.take<std::uint64_t>(), function.address);
  const auto size = body.take<std::uint64_t>();
  function.index = body.take<std::uint64_t>();
  function.name = body.take_text();
  function.bytes = body.take_bytes(size);
  return function;
}

void read_header(Reader& file) {
  EXPECT_EQ(file.take<std::uint32_t>(), 0x4A695444U);
  EXPECT_EQ(file.take<std::uint32_t>(), 1U);
  EXPECT_EQ(file.take<std::uint32_t>(), 40U);
  const auto machine = file.take<std::uint32_t>();
  EXPECT_TRUE(machine == EM_X86_64 || machine == EM_AARCH64);
  file.take<std::uint32_t>();
  EXPECT_EQ(file.take<std::uint32_t>(), static_cast<std::uint32_t>(getpid()));
  EXPECT_NE(file.take<std::uint64_t>(), 0U);
  EXPECT_EQ(file.take<std::uint64_t>(), 0U);
}

Dump read_dump(const std::string& bytes) {
  Reader file(bytes);
  read_header(file);
  Dump dump;
  std::vector<DumpLine> lines;
  std::uint64_t time = 0;
  while (!file.empty()) {
    EXPECT_FALSE(dump.closed);
    const auto id = file.take<std::uint32_t>(), size = file.take<std::uint32_t>();
    const auto at = file.take<std::uint64_t>();
    EXPECT_GE(at, std::exchange(time, at));
    Reader body(file.take_bytes(size - 16));
    if (id == 2) lines = read_lines(body);
    if (id == 0) dump.functions.push_back(read_code(body));
    if (id == 0) dump.functions.back().lines = std::exchange(lines, {});
    dump.closed = id == 3;
    EXPECT_TRUE(body.empty()) << id;
    EXPECT_TRUE(id == 0 || id == 2 || id == 3) << id;
  }
  return dump;
}

TEST_F(JitProfilers, TheDumpHasCodeAndLines) {
  ASSERT_TRUE(record_code({.jitdump = true, .directory = directory_}));
  const Running running(two_functions());
  EXPECT_FALSE(read_dump(contents(dump_path())).closed);
  CodeRegistry::of_process().silence();
  const Dump dump = read_dump(contents(dump_path()));
  EXPECT_TRUE(dump.closed);

  const auto symbols = symbols_of(*running.image);
  ASSERT_EQ(dump.functions.size(), symbols.size());
  const std::string_view code(reinterpret_cast<const char*>(running.place().data()), running.place().size());
  const auto base = reinterpret_cast<std::uint64_t>(code.data());
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    EXPECT_EQ(dump.functions[i].name, symbols[i].name);
    EXPECT_EQ(dump.functions[i].address, base + symbols[i].offset);
    EXPECT_EQ(dump.functions[i].index, i);
    EXPECT_EQ(dump.functions[i].bytes, code.substr(symbols[i].offset, symbols[i].size));
  }
  EXPECT_TRUE(dump.functions[0].lines.empty());

  // Each instruction with code, by the program's line info.
  std::vector<DumpLine> wanted, found;
  for (const CodeLine& each : running.image->code().lines) {
    const program::LineInfo* line = running.image->program().program().line_of(each.instruction);
    DumpLine next{.address = base + each.offset, .line = line->line, .file = line->file};
    if (wanted.empty() || wanted.back().line != next.line) wanted.push_back(std::move(next));
  }
  for (const auto& function : dump.functions) std::ranges::copy(function.lines, std::back_inserter(found));
  EXPECT_EQ(found, wanted);
  EXPECT_GE(found.size(), 3U);
}

TEST_F(JitProfilers, PerfSeesAMappingOfTheDump) {
  const auto mapped = [this] {
    std::istringstream maps(contents("/proc/self/maps"));
    for (std::string line; std::getline(maps, line);) {
      if (line.ends_with(dump_path())) return line.find(" r-xp ") != std::string::npos;
    }
    return false;
  };
  ASSERT_TRUE(record_code({.jitdump = true, .directory = directory_}));
  EXPECT_TRUE(mapped());
  CodeRegistry::of_process().silence();
  EXPECT_FALSE(mapped());
}

// ---- debuggers -----------------------------------------------------------------------------------------------------

std::vector<std::string_view> shown_files() {
  std::vector<std::string_view> files;
  const jit_code_entry* before = nullptr;
  for (const jit_code_entry* each = __jit_debug_descriptor.first_entry; each != nullptr; each = each->next_entry) {
    EXPECT_EQ(each->prev_entry, before);
    files.emplace_back(each->symfile_addr, each->symfile_size);
    before = each;
  }
  return files;
}

template <class T>
T at(std::string_view file, std::size_t offset) {
  return Reader(file.substr(offset)).take<T>();
}

// Name to address and size, from the symbol table.
std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> symbols_in(std::string_view file) {
  const auto header = at<Elf64_Ehdr>(file, 0);
  EXPECT_EQ(std::memcmp(header.e_ident, ELFMAG, SELFMAG), 0);
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> symbols;
  const auto section = [&](unsigned i) { return at<Elf64_Shdr>(file, header.e_shoff + i * sizeof(Elf64_Shdr)); };
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    if (section(i).sh_type != SHT_SYMTAB) continue;
    const Elf64_Off names = section(section(i).sh_link).sh_offset;
    for (std::size_t each = 1; each < section(i).sh_size / sizeof(Elf64_Sym); ++each) {
      const auto symbol = at<Elf64_Sym>(file, section(i).sh_offset + each * sizeof(Elf64_Sym));
      symbols[Reader(file.substr(names + symbol.st_name)).take_text()] = {symbol.st_value, symbol.st_size};
    }
  }
  return symbols;
}

TEST_F(JitProfilers, DebuggersGetSymbols) {
  ASSERT_TRUE(record_code({.debugger = true}));
  const Running running(two_functions());
  const auto files = shown_files();
  ASSERT_EQ(files.size(), 1U);
  const auto found = symbols_in(files[0]);
  const auto wanted = symbols_of(*running.image);
  ASSERT_EQ(found.size(), wanted.size());
  for (const CodeSymbol& symbol : wanted) {
    ASSERT_TRUE(found.contains(symbol.name));
    EXPECT_EQ(found.at(symbol.name).first, reinterpret_cast<std::uint64_t>(running.place().data()) + symbol.offset);
    EXPECT_EQ(found.at(symbol.name).second, symbol.size);
  }
  EXPECT_THAT(std::string(files[0]), HasSubstr(".debug_line"));
}

TEST_F(JitProfilers, TheListIsWholeWhateverThreadsDo) {
  ASSERT_TRUE(record_code({.debugger = true}));
  const auto program = two_functions();
  {
    const Running kept(program);
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int round = 0; round < 50; ++round) const Running one(program), two(program);
      });
    }
    for (std::thread& each : threads) each.join();
    EXPECT_EQ(shown_files().size(), 1U);
  }
  EXPECT_TRUE(shown_files().empty());
  const Running last(program);
  EXPECT_EQ(shown_files().size(), 1U);
  CodeRegistry::of_process().silence();
  EXPECT_TRUE(shown_files().empty());
}

}  // namespace
}  // namespace forager::jit
