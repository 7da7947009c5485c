// SPDX-License-Identifier: Apache-2.0
// epoll on ring buffers and perf events: level-triggered, by the kernel's wake-up rules.
#include "syscall/polling.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>

#include <atomic>

#include "syscall/perf_event.h"
#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

const std::size_t kPage = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));

class Polling : public ::testing::Test {
 protected:
  ~Polling() override {
    for (const int fd : opened_) (void)system_.close(fd);
    ::close(epoll_);
  }
  FdTable& fds() { return system_.process.fds; }
  int keep(long fd) {
    EXPECT_GE(fd, 0);
    opened_.push_back(static_cast<int>(fd));
    return static_cast<int>(fd);
  }
  int ring() {
    bpf_attr attr = map_attr(BPF_MAP_TYPE_RINGBUF, 0, 0, static_cast<unsigned>(kPage));
    return keep(system_.bpf(BPF_MAP_CREATE, &attr, sizeof attr));
  }
  exec::RingProducer& producer(int fd) { return *(*fds().find<runtime::MapUser>(fd))->object()->map->abilities().ring; }
  int perf_event(unsigned wakeup_events = 1) {
    perf_event_attr attr{};
    attr.size = sizeof attr;
    attr.type = PERF_TYPE_SOFTWARE;
    attr.config = PERF_COUNT_SW_BPF_OUTPUT;
    attr.sample_type = PERF_SAMPLE_RAW;
    attr.wakeup_events = wakeup_events;
    return keep(open_perf_event(system_.process, address_of(&attr), -1, 0).value_or(-ENOSYS));
  }
  long control(int operation, int fd) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    return poll_control(fds(), epoll_, operation, fd, &event).value_or(-ENOSYS);
  }
  // The descriptor that is ready, or -1.
  int wait() {
    epoll_event event{};
    before_wait(fds());
    return epoll_wait(epoll_, &event, 1, 0) == 1 ? event.data.fd : -1;
  }
  int put(int fd, std::uint64_t flags = 0) { return producer(fd).output("12345678", 8, flags); }
  // The consumer has read everything.
  void consume(int fd) {
    auto* consumer = reinterpret_cast<std::atomic<std::uint64_t>*>(
        (*fds().find<runtime::MapUser>(fd))->object()->map->memory().base);
    *consumer = producer(fd).query(BPF_RB_PROD_POS);
  }

  OurSystem system_;
  std::vector<int> opened_;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
};

TEST_F(Polling, RingsAreReadyWhileTheyHaveData) {
  const int fd = ring();
  ASSERT_EQ(control(EPOLL_CTL_ADD, fd), 0);
  EXPECT_EQ(wait(), -1);
  ASSERT_EQ(put(fd), 0);
  EXPECT_EQ(wait(), fd);
  EXPECT_EQ(wait(), fd) << "level-triggered";
  consume(fd);
  EXPECT_EQ(wait(), -1);
  ASSERT_EQ(put(fd), 0);
  EXPECT_EQ(wait(), fd);
}

// A producer's side: room is what it waits for, and asking for data gives it nothing.
TEST_F(Polling, UserRingsAreReadyWhileTheyHaveRoom) {
  bpf_attr attr = map_attr(BPF_MAP_TYPE_USER_RINGBUF, 0, 0, static_cast<unsigned>(kPage));
  const int fd = keep(system_.bpf(BPF_MAP_CREATE, &attr, sizeof attr));
  exec::Map& map = *(*fds().find<runtime::MapUser>(fd))->object()->map;
  auto* produced = reinterpret_cast<std::atomic<std::uint64_t>*>(map.memory().base + kPage);
  epoll_event wanted{.events = EPOLLIN | EPOLLOUT, .data = {.fd = fd}};
  ASSERT_EQ(poll_control(fds(), epoll_, EPOLL_CTL_ADD, fd, &wanted).value_or(-ENOSYS), 0);
  EXPECT_EQ(wait(), fd);
  *produced = kPage;  // samples without a byte: as many as there are words
  EXPECT_EQ(wait(), -1) << "full";
  const auto take = [](std::span<std::byte>) { return false; };
  ASSERT_EQ(map.abilities().user_ring->drain(take, BPF_RB_NO_WAKEUP), 1);
  EXPECT_EQ(wait(), -1) << "nobody was woken";
  ASSERT_EQ(map.abilities().user_ring->drain(take, 0), 1);
  EXPECT_EQ(wait(), fd);
}

TEST_F(Polling, DataFromBeforeTheRegistrationCount) {
  const int fd = ring();
  ASSERT_EQ(put(fd, BPF_RB_NO_WAKEUP), 0);
  ASSERT_EQ(control(EPOLL_CTL_ADD, fd), 0);
  EXPECT_EQ(wait(), fd);
}

TEST_F(Polling, SilentRecordsWakeNobody) {
  const int fd = ring();
  ASSERT_EQ(control(EPOLL_CTL_ADD, fd), 0);
  ASSERT_EQ(put(fd, BPF_RB_NO_WAKEUP), 0);
  EXPECT_EQ(wait(), -1);
  ASSERT_EQ(put(fd, BPF_RB_FORCE_WAKEUP), 0);
  EXPECT_EQ(wait(), fd);
}

TEST_F(Polling, RegistrationsEnd) {
  const int fd = ring();
  ASSERT_EQ(control(EPOLL_CTL_ADD, fd), 0);
  EXPECT_EQ(control(EPOLL_CTL_ADD, fd), -EEXIST);
  EXPECT_EQ(control(EPOLL_CTL_DEL, fd), 0);
  EXPECT_EQ(control(EPOLL_CTL_DEL, fd), -ENOENT);
  ASSERT_EQ(put(fd), 0);
  EXPECT_EQ(wait(), -1);
}

TEST_F(Polling, ClosedRingsLeaveTheInstance) {
  const int fd = ring();
  ASSERT_EQ(control(EPOLL_CTL_ADD, fd), 0);
  const auto map = (*fds().find<runtime::MapUser>(fd))->object();  // a program may hold it
  ASSERT_EQ(put(fd), 0);
  opened_.clear();
  ASSERT_EQ(system_.close(fd), 0);
  EXPECT_EQ(wait(), -1);
}

TEST_F(Polling, WhatCannotBePolledSaysSo) {
  bpf_attr attr = map_attr(BPF_MAP_TYPE_ARRAY, 4, 8, 1);
  const int fd = keep(system_.bpf(BPF_MAP_CREATE, &attr, sizeof attr));
  EXPECT_EQ(control(EPOLL_CTL_ADD, fd), -EPERM);
  epoll_event event{};
  EXPECT_EQ(poll_control(fds(), epoll_, EPOLL_CTL_ADD, 0, &event), std::nullopt) << "not ours";
}

TEST_F(Polling, PerfEventsAreReadyAfterTheirWakeUps) {
  const int fd = perf_event(2);
  const long mapped = system_.mmap(3 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ASSERT_GT(mapped, 0);
  ASSERT_EQ(control(EPOLL_CTL_ADD, fd), 0);
  const auto event = *fds().find<PerfEvent>(fd);
  const std::byte sample[8] = {};
  EXPECT_EQ(event->write(sample, {}), 0);
  EXPECT_EQ(wait(), -1) << "one of two";
  EXPECT_EQ(event->write(sample, {}), 0);
  EXPECT_EQ(wait(), fd);
  auto* page = reinterpret_cast<perf_event_mmap_page*>(mapped);
  EXPECT_EQ(page->data_head, 48U) << "two records: header, size, 8 bytes, padding";
  page->data_tail = page->data_head;
  EXPECT_EQ(wait(), -1);
  munmap(page, 3 * kPage);
}

TEST_F(Polling, PerfEventsAreChecked) {
  perf_event_attr attr{};
  attr.size = sizeof attr;
  attr.type = PERF_TYPE_HARDWARE;
  EXPECT_EQ(open_perf_event(system_.process, address_of(&attr), 0, -1), std::nullopt) << "the kernel's";
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_BPF_OUTPUT;
  EXPECT_EQ(open_perf_event(system_.process, address_of(&attr), -1, 0), -EINVAL) << "not raw";
  attr.sample_type = PERF_SAMPLE_RAW;
  EXPECT_EQ(open_perf_event(system_.process, address_of(&attr), -1, 1 << 20), -ENODEV);
  const int fd = perf_event();
  const int both = PROT_READ | PROT_WRITE;
  EXPECT_EQ(system_.mmap(kPage, both, MAP_SHARED, fd, 0), -EINVAL) << "no data";
  EXPECT_EQ(system_.mmap(4 * kPage, both, MAP_SHARED, fd, 0), -EINVAL) << "three pages of data";
  EXPECT_EQ(system_.mmap(3 * kPage, PROT_READ, MAP_SHARED, fd, 0), -EINVAL);
  EXPECT_EQ(system_.mmap(3 * kPage, both, MAP_PRIVATE, fd, 0), -EINVAL);
}

TEST_F(Polling, PerfEventsAreSwitchedOnAndOff) {
  const int fd = perf_event();
  const auto event = *fds().find<PerfEvent>(fd);
  const std::byte sample[8] = {};
  EXPECT_EQ(event->write(sample, {}), -ENOSPC) << "not mapped";
  const long mapped = system_.mmap(3 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ASSERT_GT(mapped, 0);
  EXPECT_EQ(control_perf_event(fds(), fd, PERF_EVENT_IOC_DISABLE), 0);
  EXPECT_EQ(event->write(sample, {}), -EOPNOTSUPP);
  EXPECT_EQ(control_perf_event(fds(), fd, PERF_EVENT_IOC_ENABLE), 0);
  EXPECT_EQ(event->write(sample, {}), 0);
  EXPECT_EQ(control_perf_event(fds(), fd, PERF_EVENT_IOC_RESET), -ENOTTY);
  EXPECT_EQ(control_perf_event(fds(), 0, PERF_EVENT_IOC_ENABLE), std::nullopt);
  munmap(reinterpret_cast<void*>(mapped), 3 * kPage);
}

}  // namespace
}  // namespace forager::syscall::testing
