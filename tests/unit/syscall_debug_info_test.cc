// SPDX-License-Identifier: Apache-2.0
// The BTF function and line records of a program: checks and answers, ours beside the kernel's.
#include <bpf/btf.h>

#include <optional>

#include "runtime/objects.h"
#include "syscall_jit_testing.h"

namespace forager::syscall::testing {
namespace {

// What the test programs' records refer to.
struct Names {
  __u32 function = 0, not_function = 0, file = 0, text = 0;
};

class DebugInfo : public BpfTest {
 protected:
  // int f(void), and strings for lines.
  int load_btf() {
    ::btf* types = btf__new_empty();
    names_.not_function = static_cast<__u32>(btf__add_int(types, "int", 4, BTF_INT_SIGNED));
    const int prototype = btf__add_func_proto(types, static_cast<int>(names_.not_function));
    names_.function = static_cast<__u32>(btf__add_func(types, "f", BTF_FUNC_GLOBAL, prototype));
    names_.file = static_cast<__u32>(btf__add_str(types, "dir/file.c"));
    names_.text = static_cast<__u32>(btf__add_str(types, "\treturn 2;  "));
    bpf_attr attr = empty_attr();
    __u32 size = 0;
    attr.btf = address_of(btf__raw_data(types, &size));
    attr.btf_size = size;
    const int fd = open(BPF_BTF_LOAD, attr);
    btf__free(types);
    return fd;
  }

  void SetUp() override {
    BpfTest::SetUp();
    if (IsSkipped()) return;
    btf_fd_ = load_btf();
    functions_ = {{0, names_.function}};
    lines_ = {{0, names_.file, names_.text, 12 << 10 | 3}, {1, names_.file, names_.text, 13 << 10 | 1}};
  }

  bpf_attr attr() {
    bpf_attr attr = prog_attr(code_);
    attr.prog_btf_fd = static_cast<__u32>(btf_fd_);
    attr.func_info = address_of(functions_.data());
    attr.func_info_cnt = static_cast<__u32>(functions_.size());
    attr.func_info_rec_size = sizeof(bpf_func_info);
    attr.line_info = address_of(lines_.data());
    attr.line_info_cnt = static_cast<__u32>(lines_.size());
    attr.line_info_rec_size = sizeof(bpf_line_info);
    return attr;
  }
  long result(bpf_attr attr) {
    const long fd = bpf(BPF_PROG_LOAD, attr);
    if (fd >= 0) (void)close(static_cast<int>(fd));
    return fd >= 0 ? 0 : fd;
  }

  Code code_ = return_2();
  Names names_;
  int btf_fd_ = -1;
  std::vector<bpf_func_info> functions_;
  std::vector<bpf_line_info> lines_;
};
FORAGER_ON_BOTH(DebugInfo);

TEST_P(DebugInfo, ComesBackAsItWasGiven) {
  const int fd = load(attr());
  bpf_prog_info info = info_of<bpf_prog_info>(fd);
  EXPECT_GT(info.btf_id, 0U);
  EXPECT_EQ(info.nr_func_info, 1U);
  EXPECT_EQ(info.nr_line_info, 2U);
  EXPECT_EQ(info.func_info_rec_size, sizeof(bpf_func_info));
  EXPECT_EQ(info.line_info_rec_size, sizeof(bpf_line_info));

  bpf_line_info lines[2] = {};
  std::memset(&info, 0, sizeof info);
  info.nr_line_info = 2;
  info.line_info_rec_size = sizeof lines[0];
  info.line_info = address_of(lines);
  bpf_attr ask = empty_attr();
  ask.info.bpf_fd = static_cast<__u32>(fd);
  ask.info.info_len = sizeof info;
  ask.info.info = address_of(&info);
  ASSERT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, ask), 0);
  EXPECT_EQ(lines[1].insn_off, 1U);
  EXPECT_EQ(lines[1].line_col, 13U << 10 | 1U);
}

TEST_P(DebugInfo, LinesHavePlacesInMachineCode) {
  if (jit::testing::jit_here() == nullptr) GTEST_SKIP() << "no JIT of ours runs on this machine";
  const int fd = load(attr());
  std::optional<runtime::Session> linked;  // as an attached program is
  if (ours()) linked = run_on_jit(static_cast<OurSystem&>(system()).process, fd);
  __u64 symbol = 0, lines[3] = {0, 0, 7};
  bpf_prog_info info;
  std::memset(&info, 0, sizeof info);
  info.nr_jited_ksyms = 1;
  info.jited_ksyms = address_of(&symbol);
  info.nr_jited_line_info = 3;
  info.jited_line_info = address_of(lines);
  info.jited_line_info_rec_size = sizeof lines[0];
  info.line_info_rec_size = sizeof(bpf_line_info);
  info.func_info_rec_size = sizeof(bpf_func_info);
  bpf_attr ask = empty_attr();
  ask.info.bpf_fd = static_cast<__u32>(fd);
  ask.info.info_len = sizeof info;
  ask.info.info = address_of(&info);
  ASSERT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, ask), 0);
  EXPECT_EQ(info.nr_jited_line_info, 2U);
  EXPECT_EQ(info.jited_line_info_rec_size, sizeof lines[0]);
  EXPECT_NE(symbol, 0U);
  EXPECT_GE(lines[0], symbol);
  EXPECT_GT(lines[1], lines[0]);
  EXPECT_LT(lines[1], symbol + info.jited_prog_len);
  EXPECT_EQ(lines[2], 7U);
}

// The kernel shows nobody what it made of them.
class DebugInfoHere : public DebugInfo {};
INSTANTIATE_TEST_SUITE_P(Here, DebugInfoHere, ::testing::Values(Whose::ours), name_of);

TEST_P(DebugInfoHere, BecomesNamesAndLines) {
  const int fd = load(attr());
  auto& process = static_cast<OurSystem&>(system()).process;
  const auto program = process.fds.find<runtime::ProgramObject>(fd);
  ASSERT_TRUE(program);
  const auto& source = (*program)->source();
  ASSERT_EQ(source.functions.size(), 1U);
  EXPECT_EQ(source.functions[0].name, "f");
  ASSERT_EQ(source.lines.size(), 2U);
  EXPECT_EQ(source.lines[0].file, "dir/file.c");
  EXPECT_EQ(source.lines[0].line, 12U);
  EXPECT_EQ(source.lines[0].column, 3U);
  EXPECT_EQ(source.lines[0].text, "return 2;");
}

TEST_P(DebugInfo, FunctionsAreChecked) {
  EXPECT_EQ(result(attr()), 0);
  functions_[0].type_id = names_.not_function;
  EXPECT_EQ(result(attr()), -EINVAL);
  functions_[0].type_id = 999;
  EXPECT_EQ(result(attr()), -EINVAL);
  functions_ = {{1, names_.function}};
  EXPECT_EQ(result(attr()), -EINVAL) << "the first is not at the start";
  functions_ = {{0, names_.function}, {1, names_.function}};
  EXPECT_EQ(result(attr()), -EINVAL) << "more than there are subprograms";
  functions_ = {{0, names_.function}};
  bpf_attr bad = attr();
  bad.func_info_rec_size = 4;
  EXPECT_EQ(result(bad), -EINVAL);
  bad = attr();
  bad.func_info_rec_size = 10;
  EXPECT_EQ(result(bad), -EINVAL);
  bad = attr();
  bad.func_info = bad_address();
  EXPECT_EQ(result(bad), -EFAULT);
}

TEST_P(DebugInfo, LinesAreChecked) {
  const auto original = lines_;
  lines_[1].insn_off = 2;
  EXPECT_EQ(result(attr()), -EINVAL) << "beyond the program";
  lines_ = original;
  lines_[1].insn_off = 0;
  EXPECT_EQ(result(attr()), -EINVAL) << "not ascending";
  lines_ = original;
  lines_[0].line_off = 1 << 20;
  EXPECT_EQ(result(attr()), -EINVAL) << "no such text";
  lines_ = original;
  bpf_attr bad = attr();
  bad.line_info = bad_address();
  EXPECT_EQ(result(bad), -EFAULT);
}

TEST_P(DebugInfo, RecordsOfALaterKernelMustEndInZeros) {
  struct {
    bpf_func_info known;
    __u32 later;
  } wide = {{0, names_.function}, 0};
  bpf_attr longer = attr();
  longer.func_info = address_of(&wide);
  longer.func_info_rec_size = sizeof wide;
  EXPECT_EQ(result(longer), 0);
  wide.later = 1;
  EXPECT_EQ(result(longer), -E2BIG);
}

}  // namespace
}  // namespace forager::syscall::testing
