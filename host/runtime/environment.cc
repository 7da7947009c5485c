// SPDX-License-Identifier: Apache-2.0
#include "runtime/environment.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <memory>

#include "helpers/registry.h"

namespace forager::runtime {
namespace {

constexpr unsigned kMaxCpus = 1U << 16;  // no machine has more; a list that says so is damaged

std::uint64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// The number at the front of `text`, which is taken off.
std::optional<unsigned> take_number(std::string_view& text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || value >= kMaxCpus) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool take(std::string_view& text, char wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<unsigned> count_cpus(std::string_view list) {
  unsigned count = 0;
  do {
    const auto first = take_number(list);
    const auto last = first && take(list, '-') ? take_number(list) : first;
    if (!last || *last < *first) return std::nullopt;
    count += *last - *first + 1;
  } while (take(list, ','));
  return list.empty() || list == "\n" ? std::optional(count) : std::nullopt;
}

// With C streams: a program may be linked so that the close() of C++ streams comes back to the runtime (host/syscall).
unsigned possible_cpus() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/sys/devices/system/cpu/possible", "re"),
                                                             std::fclose);
  std::array<char, 4096> list{};
  if (!file || std::fgets(list.data(), list.size(), file.get()) == nullptr) return 1;
  return count_cpus(list.data()).value_or(1);
}

exec::Task current_task() {
  exec::Task task;
  task.pid_tgid = static_cast<std::uint64_t>(::getpid()) << 32 | static_cast<std::uint32_t>(::gettid());
  task.uid_gid = static_cast<std::uint64_t>(::getgid()) << 32 | ::getuid();
  ::prctl(PR_GET_NAME, task.comm.data());
  struct stat namespace_file{};
  if (::stat("/proc/self/ns/pid", &namespace_file) == 0) {
    task.pid_namespace = {.device = namespace_file.st_dev, .inode = namespace_file.st_ino};
  }
  return task;
}

exec::Environment host_environment() {
  exec::Environment environment;
  environment.cpus = possible_cpus();
  environment.monotonic_ns = [] { return read_clock(CLOCK_MONOTONIC); };
  environment.boot_ns = [] { return read_clock(CLOCK_BOOTTIME); };
  environment.tai_ns = [] { return read_clock(CLOCK_TAI); };
  environment.task = current_task;
  environment.helpers = helpers::table();
  return environment;
}

}  // namespace forager::runtime
