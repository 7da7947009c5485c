// SPDX-License-Identifier: Apache-2.0
#include "api/preflight.h"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "syscall/process.h"

namespace forager::api {
namespace {

constexpr unsigned kSecondsToLoad = 60;

// Crash reports of sanitizers and core files of the child would only alarm people.
void be_quiet() {
  const rlimit no_core{};
  ::setrlimit(RLIMIT_CORE, &no_core);
  if (const int null = ::open("/dev/null", O_RDWR); null >= 0) {
    ::dup2(null, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);  // the alarm may be blocked in the thread that forked
  for (const int crash : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM}) ::signal(crash, SIG_DFL);
}

[[noreturn]] void load_and_vanish(const std::string& path) {
  syscall::start_afresh();  // first: even dup2() goes by the descriptors' table, which another thread may have locked
  be_quiet();
  ::alarm(kSecondsToLoad);
  if (bpf_object* object = ::bpf_object__open_file(path.c_str(), nullptr); object != nullptr) {
    ::bpf_object__load(object);
    ::bpf_object__close(object);
  }
  ::_exit(0);
}

}  // namespace

Result<> preflight(const std::string& path) {
  const pid_t child = ::fork();
  if (child == 0) load_and_vanish(path);
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return {};  // somebody else reaps this process's children: the answer is lost, not bad
  }
  if (child < 0)
    return fail(ErrorKind::system, errno,
                fmt::format("{}: no child process to try it in: {}", path, std::strerror(errno)));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  const char* how = WIFSIGNALED(status) ? ::strsignal(WTERMSIG(status)) : "sanitizer report";
  return fail(ErrorKind::input, EINVAL,
              fmt::format("{}: damaged: libbpf does not survive reading it ({}); compile it again", path, how));
}

}  // namespace forager::api
