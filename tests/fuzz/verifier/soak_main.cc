// SPDX-License-Identifier: Apache-2.0
//
// forager_verifier_soak: random programs through the verifier; those it accepts run under the checked interpreter with
// fact assertions. Exits 1 if anything happened that the verifier excluded.
//
//   forager_verifier_soak [--seed N] [--programs N] [--seconds N] [--threads N] [--runs N]
//   forager_verifier_soak --kernel ...          compare the verdicts with the running kernel's, too
//   forager_verifier_soak --engine NAME [--passes-off N] [--features-off N] ...
//                                               runs on another engine too: verdicts, packets and maps have to be equal
//   forager_verifier_soak --seed N --show N     one program by its index: its text, our log, the kernel's
//   forager_verifier_soak --text FILE           the same for a program in a file, and runs it
//   forager_verifier_soak --write-seeds FOLDER  inputs for verifier_bytes_fuzz.cc
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>

#include "jit-backends/backends.h"
#include "program/text.h"
#include "tests/fuzz/verifier/divergences.h"
#include "tests/fuzz/verifier/soak.h"

namespace {

using forager::fuzz::Candidate;
using forager::fuzz::Disagreement;
using forager::fuzz::DivergenceKind;
using forager::fuzz::Judge;
using forager::fuzz::Kernel;
using forager::fuzz::SoakOptions;
using forager::fuzz::Tally;

struct Arguments {
  SoakOptions soak;
  bool kernel = false;
  bool show = false;
  const char* seeds = nullptr;
  const char* text = nullptr;
};

bool parse(int argc, char** argv, Arguments& out) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--kernel") {
      out.kernel = true;
      continue;
    }
    if (++i == argc) return false;
    if (name == "--engine") {
      const forager::exec::Backend* engine = forager::jit::find_backend(argv[i]);
      if (engine == nullptr || !engine->capabilities().available) return false;
      out.soak.rival = engine;
      continue;
    }
    const auto value = std::strtoull(argv[i], nullptr, 10);
    if (name == "--seed") {
      out.soak.seed = value;
    } else if (name == "--programs") {
      out.soak.programs = value;
    } else if (name == "--seconds") {
      out.soak.seconds = static_cast<double>(value);
    } else if (name == "--threads") {
      out.soak.threads = std::max(1U, static_cast<unsigned>(value));
    } else if (name == "--runs") {
      out.soak.runs = static_cast<unsigned>(value);
    } else if (name == "--first") {
      out.soak.first = value;
    } else if (name == "--passes-off") {
      out.soak.rival_options.passes_off = static_cast<std::uint32_t>(value);
    } else if (name == "--features-off") {
      out.soak.rival_options.features_off = static_cast<std::uint32_t>(value);
    } else if (name == "--write-seeds") {
      out.seeds = argv[i];
    } else if (name == "--text") {
      out.text = argv[i];
      out.show = true;
    } else if (name == "--show") {
      out.show = true;
      out.soak.first = value;
    } else {
      return false;
    }
  }
  if (out.soak.programs == 0 && out.soak.seconds == 0) out.soak.programs = 10000;
  return true;
}

// Gives the number of those that divergences.def does not explain.
std::uint64_t print_disagreements(DivergenceKind kind, const std::map<std::string, Disagreement>& all) {
  std::vector<const Disagreement*> sorted;
  sorted.reserve(all.size());
  for (const auto& entry : all) sorted.push_back(&entry.second);
  std::ranges::sort(sorted, std::greater{}, &Disagreement::count);
  std::uint64_t unexplained = 0;
  for (const Disagreement* one : sorted) {
    const bool looser = kind == DivergenceKind::looser;
    const std::string text = forager::fuzz::text_of(one->program.slots);
    const std::string_view reason = forager::fuzz::reason_for(kind, looser ? one->kernel : one->ours, text);
    if (reason.empty()) unexplained += one->count;
    fmt::print("{} {:6}  index {}  {}\n    ours:   {}\n    kernel: {}\n", looser ? "LOOSER" : "stricter", one->count,
               one->index, reason.empty() ? "(unexplained)" : reason, one->ours.empty() ? "accepted" : one->ours,
               one->kernel.empty() ? "accepted" : one->kernel);
    if (reason.empty()) fmt::print("{}\n{}", forager::fuzz::words_of(one->program), text);
  }
  return unexplained;
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void print(const Tally& tally, double seconds) {
  fmt::print(
      "{} programs in {:.1f} s ({:.0f}/s), {:.1f} instructions each; accepted {} ({:.1f} %), malformed {:.1f} %\n",
      tally.programs, seconds, static_cast<double>(tally.programs) / seconds,
      static_cast<double>(tally.slots) / static_cast<double>(std::max<std::uint64_t>(1, tally.programs)),
      tally.accepted, share(tally.accepted, tally.programs), share(tally.malformed, tally.programs));
  fmt::print(
      "accepted ones: {:.1f} instructions each; {} instructions executed, {} processed by the verifier\n",
      static_cast<double>(tally.accepted_slots) / static_cast<double>(std::max<std::uint64_t>(1, tally.accepted)),
      tally.executed, tally.processed);
  if (tally.compared != 0) {
    fmt::print("{} runs compared with the other engine's; {} programs ({:.1f} % of the accepted) show addresses\n",
               tally.compared, tally.shows_addresses, share(tally.shows_addresses, tally.accepted));
  }
  std::vector<std::pair<std::uint64_t, std::string>> sorted;
  sorted.reserve(tally.refusals.size());
  for (const auto& [message, count] : tally.refusals) sorted.emplace_back(count, message);
  std::ranges::sort(sorted, std::greater{});
  for (std::size_t i = 0; i < std::min<std::size_t>(25, sorted.size()); ++i) {
    fmt::print("  {:8}  {}\n", sorted[i].first, sorted[i].second);
  }
}

void print_findings(const Tally& tally, std::uint64_t seed) {
  for (const auto& [key, one] : tally.findings) {
    fmt::print("FINDING seed {} index {}{}: {}\n{}\n", seed, one.index, forager::fuzz::words_of(one.program),
               one.message, forager::fuzz::text_of(one.program.slots));
  }
  fmt::print("{} findings\n", tally.finding_count);
}

// Maps go by the names of map_specs().
Candidate read_candidate(const char* path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> names;
  for (const auto& spec : forager::fuzz::map_specs()) names.push_back(spec.name);
  auto slots = forager::program::assemble(text, names);
  if (!slots) fmt::print("{}\n", slots.error().text());
  return {.slots = slots.value_or(std::vector<forager::isa::Slot>{})};
}

int show(const Arguments& arguments) {
  Candidate candidate = arguments.text != nullptr
                            ? read_candidate(arguments.text)
                            : forager::fuzz::make_candidate(arguments.soak.seed, arguments.soak.first);
  candidate.options.log_level = 2;
  fmt::print("{}", forager::fuzz::text_of(candidate.slots));
  forager::verifier::Report report;
  const auto verdict = Judge::verify(candidate, &report);
  fmt::print("options:{}\nours: {}\n{}\n", forager::fuzz::words_of(candidate),
             verdict ? "accepted" : verdict.error().text(), report.log);
  Judge judge(arguments.soak.rival, arguments.soak.rival_options);
  if (verdict) fmt::print("run: {}\n", judge.judge(candidate, arguments.soak.runs, 1).finding);
  if (arguments.kernel) {
    std::string log;
    const int error = Kernel().load(candidate, &log);
    fmt::print("kernel: {}\n{}\n", error == 0 ? "accepted" : std::strerror(error), log);
  }
  return verdict ? 0 : 1;
}

int write_seeds(const std::string& folder) {
  constexpr std::uint64_t kSeeds = 16;
  for (std::uint64_t i = 0; i < kSeeds; ++i) {
    const Candidate candidate = forager::fuzz::make_candidate(1, i);
    std::ofstream file(fmt::format("{}/{}.bin", folder, i), std::ios::binary | std::ios::trunc);
    file.write("\0\0", 2);
    file.write(reinterpret_cast<const char*>(candidate.slots.data()),
               static_cast<std::streamsize>(candidate.slots.size() * sizeof(candidate.slots[0])));
    if (!file) return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    fmt::print(stderr,
               "usage: {} [--seed N] [--programs N] [--seconds N] [--threads N] [--runs N] [--first N] "
               "[--kernel] [--engine NAME] [--show INDEX]\n",
               argv[0]);
    return 2;
  }
  if (arguments.seeds != nullptr) return write_seeds(arguments.seeds);
  if (arguments.show) return show(arguments);
  const Kernel kernel;
  if (arguments.kernel) {
    if (!kernel.unavailable().empty()) {
      fmt::print("skipped: {}\n", kernel.unavailable());
      return 77;
    }
    arguments.soak.kernel = &kernel;
  }
  const auto begin = std::chrono::steady_clock::now();
  const Tally tally = soak(arguments.soak);
  print(tally, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  std::uint64_t unexplained = 0;
  if (arguments.kernel) {
    fmt::print("the kernel accepts {} ({:.1f} %)\n", tally.kernel_accepted,
               share(tally.kernel_accepted, tally.programs));
    unexplained = print_disagreements(DivergenceKind::looser, tally.looser) +
                  print_disagreements(DivergenceKind::stricter, tally.stricter);
    fmt::print("{} disagreements with the kernel that divergences.def does not explain\n", unexplained);
  }
  print_findings(tally, arguments.soak.seed);
  return tally.finding_count + unexplained == 0 ? 0 : 1;
}
