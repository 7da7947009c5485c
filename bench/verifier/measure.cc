// SPDX-License-Identifier: Apache-2.0
#include "bench/verifier/measure.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

namespace forager::bench {
namespace {

using twins::Verdict;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The greatest resident size of this process so far, in KiB.
long greatest_resident() {
  std::FILE* file = std::fopen("/proc/self/status", "re");
  if (file == nullptr) return 0;
  char line[256];
  long kib = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, "VmHWM:", 6) == 0) kib = std::strtol(line + 6, nullptr, 10);
  }
  (void)std::fclose(file);
  return kib;
}

std::string words_of(const Verdict& verdict) { return verdict.accepted() ? "accepts" : "refuses: " + verdict.message; }

}  // namespace

std::string wrong_answer(const twins::Subject& subject) {
  if (!twins::no_kernel().empty()) return twins::no_kernel();
  if (subject.missing) return subject.missing->text();
  const Verdict ours = twins::ask_ours(subject.source);
  const Verdict kernel = twins::ask_kernel(subject.kernel);
  if (ours.accepted() == kernel.accepted()) return "";
  return fmt::format("ours {}; the kernel {}", words_of(ours), words_of(kernel));
}

// A child starts with its parent's resident size as its greatest. What the parent's heap holds free is given back
// before, or the child would take from it unseen.
double megabytes_of(const twins::Subject& subject) {
  malloc_trim(0);
  int ends[2];
  if (pipe(ends) != 0) return 0;
  const pid_t child = fork();
  if (child == 0) {
    program::Source source = subject.source;
    const long before = greatest_resident();
    (void)twins::ask_ours(std::move(source));
    const long grown = greatest_resident() - before;
    _exit(write(ends[1], &grown, sizeof grown) == sizeof grown ? 0 : 1);
  }
  close(ends[1]);
  long grown = 0;
  if (child < 0 || read(ends[0], &grown, sizeof grown) != sizeof grown) grown = 0;
  close(ends[0]);
  if (child > 0) waitpid(child, nullptr, 0);
  return static_cast<double>(grown) / 1024;
}

Cost cost_of(const twins::Subject& subject, unsigned repetitions) {
  Cost cost;
  std::vector<double> ours, kernel;
  for (unsigned i = 0; i < std::max(1U, repetitions); ++i) {
    cost.ours = twins::ask_ours(subject.source);
    cost.kernel = twins::ask_kernel(subject.kernel);
    ours.push_back(cost.ours.milliseconds);
    kernel.push_back(cost.kernel.milliseconds);
  }
  cost.ours.milliseconds = median(std::move(ours));
  cost.kernel.milliseconds = median(std::move(kernel));
  cost.megabytes = megabytes_of(subject);
  return cost;
}

}  // namespace forager::bench
