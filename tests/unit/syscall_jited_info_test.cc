// SPDX-License-Identifier: Apache-2.0
//
// Machine code in struct bpf_prog_info: what both systems must say of a program that is compiled, and what is ours.
#include <array>

#include "syscall_jit_testing.h"

namespace forager::syscall::testing {
namespace {

// r0 = 1; call +2; r0 += 1; exit; f: r0 = 5; exit
Code two_functions() {
  return {{0xb7, 0, 0, 0, 1}, {0x85, 0, 1, 0, 2}, {0x07, 0, 0, 0, 1},
          {0x95, 0, 0, 0, 0}, {0xb7, 0, 0, 0, 5}, {0x95, 0, 0, 0, 0}};
}

class JitedInfo : public BpfTest {
 protected:
  void SetUp() override {
    BpfTest::SetUp();
    if (IsSkipped()) return;
    const exec::Backend* jit = jit::testing::jit_here();
    if (jit == nullptr) GTEST_SKIP() << "no JIT of ours runs on this machine";
    if (ours()) runtime().settings.placement.backend = jit->name();
    fd_ = load(prog_attr(code_));
  }
  runtime::Runtime& runtime() { return static_cast<OurSystem&>(system()).process.runtime; }
  long ask(bpf_prog_info& info) {
    bpf_attr attr = empty_attr();
    attr.info.bpf_fd = static_cast<__u32>(fd_);
    attr.info.info_len = sizeof info;
    attr.info.info = address_of(&info);
    return bpf(BPF_OBJ_GET_INFO_BY_FD, attr);
  }
  Code code_ = two_functions();
  int fd_ = -1;
};
FORAGER_ON_BOTH(JitedInfo);

bpf_prog_info no_info() {
  bpf_prog_info info;
  std::memset(&info, 0, sizeof info);
  return info;
}

TEST_P(JitedInfo, SaysHowMuchThereIs) {
  const auto info = info_of<bpf_prog_info>(fd_);
  EXPECT_GT(info.jited_prog_len, 0U);
  EXPECT_EQ(info.nr_jited_ksyms, 2U);
  EXPECT_EQ(info.nr_jited_func_lens, 2U);
  EXPECT_EQ(info.nr_jited_line_info, 0U);
}

TEST_P(JitedInfo, FunctionsAreAsLongAsTheCode) {
  __u32 lengths[3] = {0, 0, 77};
  bpf_prog_info info = no_info();
  info.nr_jited_func_lens = 3;
  info.jited_func_lens = address_of(lengths);
  ASSERT_EQ(ask(info), 0);
  EXPECT_EQ(info.nr_jited_func_lens, 2U);
  EXPECT_EQ(lengths[0] + lengths[1], info.jited_prog_len);
  EXPECT_GT(lengths[1], 0U);
  EXPECT_EQ(lengths[2], 77U);
}

TEST_P(JitedInfo, AShortBufferGetsWhatFits) {
  std::vector<unsigned char> bytes(8, 0xcd);
  bpf_prog_info info = no_info();
  info.jited_prog_len = 4;
  info.jited_prog_insns = address_of(bytes.data());
  ASSERT_EQ(ask(info), 0);
  EXPECT_GT(info.jited_prog_len, 8U);
  EXPECT_NE(std::vector(bytes.begin(), bytes.begin() + 4), std::vector<unsigned char>(4, 0xcd));
  EXPECT_EQ(std::vector(bytes.begin() + 4, bytes.end()), std::vector<unsigned char>(4, 0xcd));
}

TEST_P(JitedInfo, BadAddresses) {
  bpf_prog_info info = no_info();
  info.jited_prog_len = 64;
  info.jited_prog_insns = bad_address();
  EXPECT_EQ(ask(info), -EFAULT);
  info = no_info();
  info.nr_jited_func_lens = 1;
  EXPECT_EQ(ask(info), -EFAULT);
  info = no_info();
  info.nr_prog_tags = 1;
  EXPECT_EQ(ask(info), -EFAULT);
}

using Tags = std::array<std::array<__u8, BPF_TAG_SIZE>, 3>;

TEST_P(JitedInfo, EachFunctionHasATag) {
  EXPECT_EQ(info_of<bpf_prog_info>(fd_).nr_prog_tags, 2U);
  const Tags unset = {{{1}, {1}, {1}}};
  Tags tags = unset;
  bpf_prog_info info = no_info();
  info.nr_prog_tags = 3;
  info.prog_tags = address_of(tags.data());
  ASSERT_EQ(ask(info), 0);
  EXPECT_EQ(info.nr_prog_tags, 2U);
  EXPECT_NE(tags[0], unset[0]);
  EXPECT_NE(tags[1], unset[1]);
  EXPECT_NE(tags[0], tags[1]);
  EXPECT_EQ(tags[2], unset[2]);
  EXPECT_NE(std::memcmp(tags[0].data(), info.tag, BPF_TAG_SIZE), 0) << "of the function alone";

  Tags fewer = unset;
  info = no_info();
  info.nr_prog_tags = 1;
  info.prog_tags = address_of(fewer.data());
  ASSERT_EQ(ask(info), 0);
  EXPECT_EQ(fewer[0], tags[0]);
  EXPECT_EQ(fewer[1], unset[1]);
}

TEST_P(JitedInfo, OneFunctionHasTheProgramsTag) {
  const Code code = return_2();
  fd_ = load(prog_attr(code));
  Tags tags = {};
  bpf_prog_info info = no_info();
  info.nr_prog_tags = 3;
  info.prog_tags = address_of(tags.data());
  ASSERT_EQ(ask(info), 0);
  EXPECT_EQ(info.nr_prog_tags, 1U);
  EXPECT_EQ(std::memcmp(tags[0].data(), info.tag, BPF_TAG_SIZE), 0);
}

TEST_P(JitedInfo, LinesHaveASize) {
  bpf_prog_info info = no_info();
  EXPECT_EQ(info_of<bpf_prog_info>(fd_).jited_line_info_rec_size, 8U);
  info.nr_jited_line_info = 1;
  EXPECT_EQ(ask(info), -EINVAL);
  info.jited_line_info_rec_size = 8;
  EXPECT_EQ(ask(info), 0);
  info = no_info();
  info.jited_line_info_rec_size = 4;
  EXPECT_EQ(ask(info), -EINVAL);
}

class JitedInfoHere : public JitedInfo {};
INSTANTIATE_TEST_SUITE_P(Here, JitedInfoHere, ::testing::Values(Whose::ours), name_of);

TEST_P(JitedInfoHere, CodeIsWhatStandsAtItsAddresses) {
  const auto running = run_on_jit(static_cast<OurSystem&>(system()).process, fd_);
  std::vector<unsigned char> bytes(info_of<bpf_prog_info>(fd_).jited_prog_len);
  __u64 symbols[2] = {};
  __u32 lengths[2] = {};
  bpf_prog_info info = no_info();
  info.jited_prog_len = static_cast<__u32>(bytes.size());
  info.jited_prog_insns = address_of(bytes.data());
  info.nr_jited_ksyms = info.nr_jited_func_lens = 2;
  info.jited_ksyms = address_of(symbols);
  info.jited_func_lens = address_of(lengths);
  ASSERT_EQ(ask(info), 0);
  const auto* first = reinterpret_cast<const unsigned char*>(symbols[0]);
  const auto* second = reinterpret_cast<const unsigned char*>(symbols[1]);
  EXPECT_EQ(std::vector(bytes.begin(), bytes.begin() + lengths[0]), std::vector(first, first + lengths[0]));
  EXPECT_EQ(std::vector(bytes.begin() + lengths[0], bytes.end()), std::vector(second, second + lengths[1]));
}

TEST_P(JitedInfoHere, AddressesOfCodeThatIsNowhereAreNotTold) {
  __u64 symbols[2] = {7, 7};
  bpf_prog_info info = no_info();
  info.nr_jited_ksyms = 2;
  info.jited_ksyms = address_of(symbols);
  ASSERT_EQ(ask(info), 0);
  EXPECT_EQ(info.nr_jited_ksyms, 2U);
  EXPECT_EQ(info.jited_ksyms, 0U);
  EXPECT_EQ(symbols[0], 7U);
}

TEST_P(JitedInfoHere, TheInterpreterHasNone) {
  runtime().settings.placement.backend = "interp";
  const auto info = info_of<bpf_prog_info>(fd_);
  EXPECT_EQ(info.jited_prog_len, 0U);
  EXPECT_EQ(info.nr_jited_ksyms, 0U);
  EXPECT_EQ(info.nr_prog_tags, 1U);
}

// ... and with the place of the code and its copy looked up for one array only.
TEST_P(JitedInfoHere, CountsAreTheSameWhateverIsAskedFor) {
  const auto running = run_on_jit(static_cast<OurSystem&>(system()).process, fd_);
  const auto counts = info_of<bpf_prog_info>(fd_);
  __u64 symbols[2] = {};
  unsigned char bytes[4] = {};
  for (const bool code : {false, true}) {
    bpf_prog_info info = no_info();
    info.jited_prog_len = code ? sizeof bytes : 0;
    info.jited_prog_insns = address_of(bytes);
    info.nr_jited_ksyms = code ? 0 : 2;
    info.jited_ksyms = address_of(symbols);
    ASSERT_EQ(ask(info), 0);
    EXPECT_EQ(info.jited_prog_len, counts.jited_prog_len);
    EXPECT_EQ(info.nr_jited_ksyms, counts.nr_jited_ksyms);
    EXPECT_EQ(info.nr_jited_func_lens, counts.nr_jited_func_lens);
  }
  EXPECT_NE(symbols[1], 0U);
  EXPECT_EQ(std::memcmp(bytes, reinterpret_cast<const void*>(symbols[0]), sizeof bytes), 0);
}

}  // namespace
}  // namespace forager::syscall::testing
