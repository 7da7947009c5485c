// SPDX-License-Identifier: Apache-2.0
#include "bench/compile/effort.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "helpers/registry.h"
#include "maps/registry.h"
#include "tests/twins/tee.h"

namespace forager::bench {
namespace {

std::uint64_t faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_minflt);
}

double since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

const exec::Environment& environment() {
  static const exec::Environment kEnvironment{.helpers = helpers::table()};
  return kEnvironment;
}

Result<std::unique_ptr<exec::Device>> device_with_maps(const Candidate& candidate, const exec::Backend& backend,
                                                       std::shared_ptr<const exec::Image> image) {
  auto device = backend.open({.environment = &environment()});
  if (!device) return device;
  if (auto loaded = (*device)->load(std::move(image)); !loaded) return std::unexpected(std::move(loaded.error()));
  const auto& specs = candidate.program->program().maps();
  for (std::uint32_t i = 0; i < specs.size(); ++i) {
    auto map = maps::create(specs[i], environment().cpus);
    if (!map) return std::unexpected(std::move(map.error()));
    if (auto bound = (*device)->bind(i, std::move(*map)); !bound) return std::unexpected(std::move(bound.error()));
  }
  return device;
}

}  // namespace

std::vector<Candidate> candidates(const std::string& object, const std::string& title) {
  std::vector<Candidate> out;
  auto subjects = twins::load_twice(object);
  if (!subjects) return out;
  for (twins::Subject& subject : *subjects) {
    if (subject.missing || (!title.empty() && title != subject.title())) continue;
    const std::size_t slots = subject.source.slots.size();
    auto decoded = program::Program::decode(std::move(subject.source));
    if (!decoded) continue;
    auto verified = verifier::verify(std::move(*decoded));
    if (!verified) continue;
    out.push_back({.object = object, .title = subject.title(), .program = std::move(*verified), .slots = slots});
  }
  return out;
}

Result<Effort> effort(const Candidate& candidate, const exec::Backend& backend) {
  Effort out;
  const std::uint64_t before = faults();
  const auto begin = std::chrono::steady_clock::now();
  auto image = backend.compile(candidate.program, {});
  out.compile_us = since(begin);
  out.faults = faults() - before;
  if (!image) return std::unexpected(std::move(image.error()));
  auto device = device_with_maps(candidate, backend, std::move(*image));
  if (!device) return std::unexpected(std::move(device.error()));
  const std::uint64_t between = faults();
  const auto start = std::chrono::steady_clock::now();
  auto linked = (*device)->run({});
  out.link_us = since(start);
  out.faults += faults() - between;
  if (!linked) return std::unexpected(std::move(linked.error()));
  return out;
}

Result<Effort> cold_effort(const Candidate& candidate) {
  const std::string command = fmt::format("/proc/{}/exe --cold '{}' '{}'", getpid(), candidate.object, candidate.title);
  std::FILE* pipe = popen(command.c_str(), "r");  // NOLINT(cert-env33-c): of our own executable, with names of ours
  Effort out;
  unsigned long count = 0;
  const int read = pipe == nullptr ? 0 : std::fscanf(pipe, "%lf %lf %lu", &out.compile_us, &out.link_us, &count);
  if (pipe != nullptr) (void)pclose(pipe);
  out.faults = count;
  if (read != 3) return fail(ErrorKind::system, EIO, "the process of its own gave no figures");
  return out;
}

int answer_cold(const std::string& object, const std::string& title, const exec::Backend& backend) {
  const auto found = candidates(object, title);
  if (found.empty()) return 1;
  const auto cost = effort(found.front(), backend);
  if (!cost) return 1;
  fmt::print("{} {} {}\n", cost->compile_us, cost->link_us, cost->faults);
  return 0;
}

}  // namespace forager::bench
