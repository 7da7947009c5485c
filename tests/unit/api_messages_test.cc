// SPDX-License-Identifier: Apache-2.0
//
// libbpf's print callback belongs to the user: the library takes it for its own calls only, and gives it back.
#include "syscall/messages.h"

#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdarg>
#include <thread>
#include <vector>

#include "tests/unit/api_testing.h"

namespace forager {
namespace {

std::atomic<int> g_heard = 0;
std::atomic<int> g_observed = 0;

int user_callback(libbpf_print_level, const char*, va_list) { return ++g_heard; }
int other_callback(libbpf_print_level, const char*, va_list) { return 0; }
int observer(libbpf_print_level, const char*, va_list) { return ++g_observed; }

void make_libbpf_complain() { EXPECT_EQ(::bpf_object__open_file("/nowhere/at_all.bpf.o", nullptr), nullptr); }

class ApiMessages : public testing::Test {
 protected:
  void SetUp() override {
    g_heard = g_observed = 0;
    before_ = ::libbpf_set_print(user_callback);
  }
  void TearDown() override { ::libbpf_set_print(before_); }

 private:
  libbpf_print_fn_t before_ = nullptr;
};

TEST_F(ApiMessages, TheUsersCallbackComesBackAndHearsNothingOfOurs) {
  ASSERT_TRUE(Object::load(program_path("xdp_tx")));
  ASSERT_FALSE(Object::load(program_path("api/api_refused")));  // libbpf has much to say about that
  EXPECT_EQ(g_heard, 0);
  EXPECT_EQ(::libbpf_set_print(user_callback), user_callback);
}

TEST_F(ApiMessages, ManyThreadsLeaveTheUsersCallbackToo) {
  std::vector<std::thread> threads(4);
  for (std::thread& thread : threads) {
    thread = std::thread([] {
      for (int round = 0; round < 10; ++round) EXPECT_TRUE(Object::load(program_path("xdp_rxq_info")));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(::libbpf_set_print(user_callback), user_callback);
  EXPECT_EQ(g_heard, 0);
}

TEST_F(ApiMessages, NothingIsPrinted) {
  ::libbpf_set_print(nullptr);
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  EXPECT_FALSE(Object::load(program_path("api/api_refused")));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(::libbpf_set_print(nullptr), nullptr);
}

TEST_F(ApiMessages, ACaptureKeepsTheFirstLine) {
  const syscall::MessageCapture said;
  EXPECT_EQ(said.first(), "");
  make_libbpf_complain();
  EXPECT_NE(said.first().find("/nowhere/at_all.bpf.o"), std::string::npos) << said.first();
  EXPECT_EQ(said.first().find("libbpf:"), std::string::npos);
  EXPECT_EQ(said.first().find('\n'), std::string::npos);
  EXPECT_EQ(g_heard, 0);
}

TEST_F(ApiMessages, CapturesNest) {
  const syscall::MessageCapture outer;
  {
    const syscall::MessageCapture inner;
    make_libbpf_complain();
    EXPECT_NE(inner.first(), "");
  }
  EXPECT_EQ(outer.first(), "");
  make_libbpf_complain();
  EXPECT_NE(outer.first(), "");
  EXPECT_EQ(g_heard, 0);
}

TEST_F(ApiMessages, OtherThreadsGoOnHearingTheirs) {
  const syscall::MessageCapture said;
  std::thread(make_libbpf_complain).join();
  EXPECT_GT(g_heard, 0);
  EXPECT_EQ(said.first(), "");
}

TEST_F(ApiMessages, ACallbackSetDuringACaptureStays) {
  {
    const syscall::MessageCapture said;
    ::libbpf_set_print(other_callback);
  }
  EXPECT_EQ(::libbpf_set_print(user_callback), other_callback);
}

TEST_F(ApiMessages, AnObserverSeesWhatIsCaptured) {
  syscall::observe_messages(observer);
  {
    const syscall::MessageCapture said;
    make_libbpf_complain();
  }
  syscall::observe_messages(nullptr);
  EXPECT_GT(g_observed, 0);
  EXPECT_EQ(g_heard, 0);
}

}  // namespace
}  // namespace forager
