// SPDX-License-Identifier: Apache-2.0
//
// The same commands to bpftool on the running kernel and to forager: their JSON must have the same members, and success
// or failure must agree.
//
// Members are compared by path ("[].formatted.key"), values are not: ids, times and sizes differ. What only one side
// has stands below, with its reason. Skipped without bpftool, or where the kernel lets us make no map.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const std::string kForager = FORAGER_COMMAND, kPrograms = FORAGER_PROGRAMS;
const std::string kBpffs = "/sys/fs/bpf";

// The last name of members that only one side has.
const std::set<std::string> kKernelOnly = {"pids" /* who holds a descriptor */, "bytes_jited" /* we interpret */};
const std::set<std::string> kOursOnly = {"backends" /* bpftool has one kernel */, "diagnostic" /* an error in parts */};

struct Answer {
  int status = 0;
  Json document;
};

Answer run(const std::string& command) {
  Answer out;
  std::string text;
  FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return {.status = -1, .document = {}};
  std::array<char, 4096> part{};
  while (const std::size_t count = std::fread(part.data(), 1, part.size(), pipe)) text.append(part.data(), count);
  out.status = WEXITSTATUS(::pclose(pipe));
  out.document = Json::parse(text, nullptr, false);
  return out;
}

using Paths = std::set<std::string>;

// Paths of all members but those named; elements of a list share one path.
void collect(const Json& value, const std::string& path, const std::set<std::string>& without, Paths& out) {
  for (const auto& [key, inner] : value.items()) {
    if (value.is_array()) {
      collect(inner, path + "[]", without, out);
    } else if (value.is_object() && !without.contains(key)) {
      out.insert(path + "." + key);
      collect(inner, path + "." + key, without, out);
    }
  }
}

Paths members(const Json& document, const std::set<std::string>& without) {
  Paths out;
  if (document.is_structured()) collect(document, "", without, out);
  return out;
}

class Bpftool : public testing::Test {
 protected:
  void SetUp() override {
    if (run("bpftool -j version").status != 0) GTEST_SKIP() << "no bpftool";
    const std::string probe = kBpffs + "/" + name_ + "_probe";
    if (run("bpftool -j map create " + probe + " type array key 4 value 4 entries 1 name probe").status != 0)
      GTEST_SKIP() << "the kernel lets us make no map";
    fs::create_directories(state_);
  }

  void TearDown() override {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(kBpffs, error)) {
      if (entry.path().filename().string().starts_with(name_ + "_")) fs::remove_all(entry.path(), error);
    }
    fs::remove_all(state_, error);
  }

  // "{x}" is the path of a pin that is called x.
  [[nodiscard]] std::string words(std::string text) const {
    for (std::size_t at = text.find('{'); at != std::string::npos; at = text.find('{', at)) {
      text.replace(at, 1, kBpffs + "/" + name_ + "_");
      text.erase(text.find('}', at), 1);
    }
    return text;
  }
  [[nodiscard]] Answer theirs(const std::string& text) const { return run("bpftool -j " + words(text)); }
  [[nodiscard]] Answer ours(const std::string& text) const {
    return run(kForager + " -j --state " + state_ + " " + words(text));
  }

  void compare(const std::string& text) const {
    const Answer kernel = theirs(text), mine = ours(text);
    EXPECT_EQ(kernel.status == 0, mine.status == 0) << text << "\n" << mine.document;
    EXPECT_EQ(members(kernel.document, kKernelOnly), members(mine.document, kOursOnly)) << text;
  }

  const std::string name_ = "forager_cli_" + std::to_string(::getpid());
  const std::string state_ = (fs::temp_directory_path() / name_).string();
};

TEST_F(Bpftool, Maps) {
  for (const char* text : {"map create {h} type hash key 4 value 8 entries 10 name h flags 1",
                           "map update pinned {h} key 1 0 0 0 value hex 01 02 03 04 05 06 07 08",
                           "map show pinned {h}",
                           "-f map show pinned {h}",
                           "map dump pinned {h}",
                           "map lookup pinned {h} key 1 0 0 0",
                           "map lookup pinned {h} key 2 0 0 0",
                           "map getnext pinned {h}",
                           "map getnext pinned {h} key 2 0 0 0",
                           "map getnext pinned {h} key 1 0 0 0",
                           "map update pinned {h} key 1 0 0 0 value 1 2",
                           "map delete pinned {h} key 2 0 0 0",
                           "map delete pinned {h} key 1 0 0 0",
                           "map pin pinned {h} {h2}",
                           "map freeze pinned {h}",
                           "map update pinned {h} key 1 0 0 0 value 1 2 3 4 5 6 7 8",
                           "map create {p} type percpu_array key 4 value 8 entries 2 name p",
                           "map dump pinned {p}",
                           "map lookup pinned {p} key 1 0 0 0",
                           "map show id 4000000000"})
    compare(text);
}

TEST_F(Bpftool, ProgramsAndTypes) {
  const std::string object = kPrograms + "/xdp_simple_firewall.bpf.o";
  compare("prog load " + object + " {fw} pinmaps {maps}");
  for (const char* text :
       {"prog show pinned {fw}", "-f prog show pinned {fw}", "map show pinned {maps}/stats",
        "map dump pinned {maps}/stats", "map lookup pinned {maps}/stats key 0 0 0 0", "btf dump prog pinned {fw}",
        "btf dump map pinned {maps}/stats", "prog dump xlated pinned {fw}", "prog dump xlated pinned {fw} opcodes",
        "prog dump xlated pinned {fw} linum", "prog run pinned {fw} data_in /proc/version data_out - repeat 2",
        "prog show id 4000000000"})
    compare(text);
}

TEST_F(Bpftool, TheRest) {
  for (const char* text : {"link show id 4000000000", "btf show id 4000000000", "version", "map help"}) compare(text);
  const Answer nonsense = ours("prog nonsense");  // bpftool's document is null; ours says what is wrong
  EXPECT_NE(nonsense.status, 0);
  EXPECT_TRUE(nonsense.document.contains("error"));
  // The kernel's BTF has a name and no programs: the members of ours are among its own.
  ASSERT_EQ(ours("prog load " + kPrograms + "/xdp_drop.bpf.o {d}").status, 0);
  const Paths kernel = members(theirs("btf show").document, kKernelOnly);
  const Paths mine = members(ours("btf show").document, kOursOnly);
  EXPECT_FALSE(mine.empty());
  EXPECT_TRUE(std::ranges::includes(kernel, mine));
}

// Kernels and runtimes differ in which types there are: nothing that bpftool asks about may be missing.
TEST_F(Bpftool, Features) {
  const Paths mine = members(ours("feature probe kernel").document, {});
  for (const std::string& member : members(theirs("feature probe kernel").document, {})) {
    if (member.find(".CONFIG_") == std::string::npos) EXPECT_TRUE(mine.contains(member)) << member;
  }
}

}  // namespace
