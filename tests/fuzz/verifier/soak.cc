// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/soak.h"

#include <chrono>
#include <mutex>
#include <thread>

#include "tests/fuzz/verifier/minimise.h"

namespace forager::fuzz {
namespace {

using Clock = std::chrono::steady_clock;

void add_to(std::map<std::string, Disagreement>& all, const std::string& key, const Disagreement& more) {
  const auto [at, fresh] = all.try_emplace(key, more);
  if (!fresh) at->second.count += more.count;
}

// The line of a kernel log that says why.
std::string reason_in(const std::string& log) {
  std::string reason;
  for (std::size_t at = 0; at < log.size();) {
    const std::size_t end = std::min(log.find('\n', at), log.size());
    const std::string line = log.substr(at, end - at);
    const bool statistics = line.starts_with("processed ") || line.starts_with("verification time") ||
                            line.starts_with("stack depth") || line.empty();
    if (!statistics) reason = line;
    at = end + 1;
  }
  return reason;
}

class Worker {
 public:
  Worker(const SoakOptions& options, std::atomic<std::uint64_t>& next)
      : options_(options), next_(next), judge_(options.rival, options.rival_options) {}

  void work() {
    constexpr std::uint64_t kChunk = 64;
    const auto end = Clock::now() + std::chrono::duration<double>(options_.seconds);
    while (options_.seconds == 0 || Clock::now() < end) {
      const std::uint64_t from = next_.fetch_add(kChunk);
      for (std::uint64_t i = from; i < from + kChunk; ++i) {
        if (options_.programs != 0 && i >= options_.first + options_.programs) return;
        one(i);
      }
    }
  }
  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  void one(std::uint64_t index) {
    Candidate candidate = make_candidate(options_.seed, index);
    if (options_.kernel != nullptr) candidate.global_functions = false;  // it would want BTF of them
    ++tally_.programs;
    tally_.slots += candidate.slots.size();
    if (options_.kernel != nullptr && !agree(candidate, index)) return;
    const Outcome outcome = judge_.judge(candidate, options_.runs, seed_of(index));
    tally_.processed += outcome.processed;
    tally_.executed += outcome.executed;
    tally_.compared += outcome.compared;
    tally_.shows_addresses += outcome.shows_addresses ? 1 : 0;
    if (outcome.verdict != Outcome::Verdict::accepted) {
      tally_.malformed += outcome.verdict == Outcome::Verdict::malformed ? 1 : 0;
      ++tally_.refusals[class_of(outcome.refusal.message)];
      return;
    }
    ++tally_.accepted;
    tally_.accepted_slots += candidate.slots.size();
    if (!outcome.finding.empty()) found(candidate, index, outcome.finding);
  }

  [[nodiscard]] std::uint64_t seed_of(std::uint64_t index) const { return options_.seed * 0x9e3779b1 + index; }

  // The same place and kind of trap in a smaller program is taken for the same finding.
  void found(const Candidate& candidate, std::uint64_t index, const std::string& message) {
    ++tally_.finding_count;
    const std::string key = class_of(message.substr(0, message.find(", at instruction")));
    if (tally_.findings.contains(key)) return;
    Candidate smaller = candidate;
    const auto kind = class_of(message.substr(0, 50));
    smaller.slots = minimise(candidate.slots, [&](const Slots& slots) {
      smaller.slots = slots;
      constexpr unsigned kMoreRuns = 20;
      const Outcome outcome = judge_.judge(smaller, kMoreRuns, seed_of(index));
      return class_of(outcome.finding.substr(0, 50)) == kind;
    });
    tally_.findings[key] = {.index = index, .message = message, .program = smaller};
  }

  // Whether both accept. The kernel lets root read stack that was never written. Programs that take long to verify are
  // not compared: the kernel would go on to a million instructions.
  bool agree(Candidate candidate, std::uint64_t index) {
    candidate.options.allow_uninitialised_stack = true;
    if (candidate.linux_is_wrong) return false;
    const auto ours = Judge::verify(candidate, nullptr);
    if (!ours && ours.error().kind == ErrorKind::limit) return false;
    const bool kernel = options_.kernel->load(candidate) == 0;
    if (kernel) ++tally_.kernel_accepted;
    if (ours.has_value() == kernel) return kernel;
    Disagreement one = compare(candidate);
    auto& all = kernel ? tally_.stricter : tally_.looser;
    const std::string key = class_of(kernel ? one.ours : one.kernel);
    if (!all.contains(key)) one.program = smallest(candidate, one);
    one.index = index;
    add_to(all, key, one);
    return !kernel;  // what only we accept is run all the more
  }

  // What both say.
  [[nodiscard]] Disagreement compare(const Candidate& candidate) const {
    Disagreement one{.count = 1};
    if (const auto ours = Judge::verify(candidate, nullptr); !ours) one.ours = ours.error().message;
    std::string log;
    if (options_.kernel->load(candidate, &log) != 0) one.kernel = reason_in(log);
    return one;
  }

  [[nodiscard]] Candidate smallest(const Candidate& candidate, const Disagreement& shown) const {
    Candidate smaller = candidate;
    smaller.slots = minimise(candidate.slots, [&](const Slots& slots) {
      smaller.slots = slots;
      const bool ours = Judge::verify(smaller, nullptr).has_value();
      if (ours != shown.ours.empty() || (options_.kernel->load(smaller) == 0) == ours) return false;
      const Disagreement now = compare(smaller);
      return class_of(now.ours) == class_of(shown.ours) && class_of(now.kernel) == class_of(shown.kernel);
    });
    return smaller;
  }

  const SoakOptions& options_;
  std::atomic<std::uint64_t>& next_;
  Judge judge_;
  Tally tally_;
};

}  // namespace

void Tally::add(const Tally& other) {
  programs += other.programs, accepted += other.accepted, malformed += other.malformed;
  slots += other.slots, accepted_slots += other.accepted_slots, executed += other.executed;
  processed += other.processed, kernel_accepted += other.kernel_accepted, compared += other.compared;
  shows_addresses += other.shows_addresses, finding_count += other.finding_count;
  for (const auto& [message, count] : other.refusals) refusals[message] += count;
  findings.insert(other.findings.begin(), other.findings.end());
  for (const auto& [key, one] : other.looser) add_to(looser, key, one);
  for (const auto& [key, one] : other.stricter) add_to(stricter, key, one);
}

Tally soak(const SoakOptions& options) {
  std::atomic<std::uint64_t> next{options.first};
  std::vector<std::unique_ptr<Worker>> workers;
  workers.reserve(options.threads);
  for (unsigned i = 0; i < options.threads; ++i) workers.push_back(std::make_unique<Worker>(options, next));
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < workers.size(); ++i) threads.emplace_back([&, i] { workers[i]->work(); });
  workers[0]->work();
  for (std::thread& thread : threads) thread.join();
  Tally total;
  for (const auto& worker : workers) total.add(worker->tally());
  return total;
}

}  // namespace forager::fuzz
