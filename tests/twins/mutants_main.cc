// SPDX-License-Identifier: Apache-2.0
//
// forager_verifier_mutants: every program of the given objects, and every mutant of each, to both verifiers.
//
//   forager_verifier_mutants [--every N] [--from N] [--seconds S] [--ms N] [-v] OBJECT...
//     --every N    one mutant of N over all programs, the first of them --from (0)
//     --seconds S  stop after that long; what was not reached is counted
//     --ms N       leave programs alone that the kernel needs longer for
//     --at SLOT    only mutants at that slot
//     --log        with each disagreement, what both verifiers went through
//     -v           show disagreements about errno, and where ours is stricter because of unwritten stack
//
// Status: 0 if ours accepted nothing that the kernel refuses and refused nothing that it accepts, 1 otherwise, 77 if
// the kernel cannot be asked here.
//
// Tested by: itself, in CTest (verifier_mutants).
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "program/text.h"
#include "tests/twins/mutate.h"
#include "tests/twins/tee.h"

namespace forager::twins {
namespace {

struct Arguments {
  std::size_t every = 1;
  std::size_t from = 0;
  double seconds = 1e9;
  double milliseconds = 1e9;
  std::size_t at = SIZE_MAX;
  bool log = false;
  bool verbose = false;
  std::vector<std::string> objects;
};

Arguments parse(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const bool has_value = i + 1 < argc;
    if (word == "-v") {
      out.verbose = true;
    } else if (word == "--log") {
      out.log = true;
    } else if (word == "--at" && has_value) {
      out.at = std::strtoul(argv[++i], nullptr, 10);
    } else if (word == "--every" && has_value) {
      out.every = std::max(1UL, std::strtoul(argv[++i], nullptr, 10));
    } else if (word == "--from" && has_value) {
      out.from = std::strtoul(argv[++i], nullptr, 10);
    } else if (word == "--seconds" && has_value) {
      out.seconds = std::strtod(argv[++i], nullptr);
    } else if (word == "--ms" && has_value) {
      out.milliseconds = std::strtod(argv[++i], nullptr);
    } else {
      out.objects.emplace_back(word);
    }
  }
  return out;
}

using Clock = std::chrono::steady_clock;
using Counts = std::array<std::size_t, kAgreements>;

class Run {
 public:
  explicit Run(Arguments arguments) : arguments_(std::move(arguments)), start_(Clock::now()) {}

  int all() {
    for (const std::string& object : arguments_.objects) {
      auto subjects = load_twice(object);
      if (!subjects) {
        fmt::print("{}\n", subjects.error().text());
        faults_ = true;
        continue;
      }
      for (const Subject& subject : *subjects) one(subject);
    }
    fmt::print("\n{} mutants in {:.0f} s: {}; errno differs for {}; {} not reached\n", done_, elapsed(),
               text_of(counts_), other_errno_, left_);
    return faults_ ? 1 : 0;
  }

 private:
  [[nodiscard]] double elapsed() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  static std::string text_of(const Counts& counts) {
    std::string out;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) continue;
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", counts[i], to_string(static_cast<Agreement>(i)));
    }
    return out.empty() ? "none" : out;
  }

  void one(const Subject& subject) {
    if (subject.missing) return note(subject, "not asked: " + subject.missing->text());
    const Comparison whole = compare(subject);
    if (!whole.ours.accepted()) note(subject, "ours refuses the program itself: " + whole.ours.message);
    if (keeps_away(subject, whole.kernel)) return fmt::print("{}: the kernel permits it to nobody\n", subject.title());
    if (!whole.kernel.accepted()) note(subject, "the kernel refuses the program itself: " + whole.kernel.message);
    const bool both = whole.ours.accepted() && whole.kernel.accepted();
    if (both && whole.kernel.milliseconds <= arguments_.milliseconds) mutants_of(subject);
  }

  void mutants_of(const Subject& subject) {
    Counts counts{};
    const std::vector<Mutation> mutations = mutations_of(subject.kernel.slots());
    for (const Mutation& mutation : mutations) {
      const bool asked = arguments_.at == SIZE_MAX ? seen_++ % arguments_.every == arguments_.from % arguments_.every
                                                   : mutation.slot == arguments_.at;
      if (!asked) continue;
      if (elapsed() > arguments_.seconds) {
        ++left_;
        continue;
      }
      const Comparison found = compare(subject, mutation);
      ++counts[static_cast<std::size_t>(found.agreement)];
      judge(subject, mutation, found);
    }
    if (counts == Counts{}) return;
    for (std::size_t i = 0; i < counts.size(); ++i) counts_[i] += counts[i];
    fmt::print("{}: {} slots, {}\n", subject.title(), subject.kernel.slots().size(), text_of(counts));
    std::fflush(stdout);
  }

  void judge(const Subject& subject, const Mutation& mutation, const Comparison& found) {
    ++done_;
    const bool same_errno = found.ours.error == found.kernel.error;
    if (found.agreement == Agreement::refused && !same_errno) ++other_errno_;
    const bool wrong = found.agreement == Agreement::looser || found.agreement == Agreement::stricter;
    const bool telling =
        found.agreement == Agreement::unwritten || (found.agreement == Agreement::refused && !same_errno);
    faults_ |= wrong;
    if (wrong || (arguments_.verbose && telling)) show(subject, mutation, found);
  }

  static std::string text_of(const program::Source& source, std::uint32_t slot) {
    const auto decoded = program::Program::decode(source);
    if (!decoded) return "(not decodable)";
    const std::uint32_t at = decoded->instruction_at(slot);
    const std::string line = decoded->source_line(at);
    return to_text(*decoded, at) + (line.empty() ? "" : "    ; " + line);
  }

  void show(const Subject& subject, const Mutation& mutation, const Comparison& found) const {
    program::Source changed = subject.source;
    changed.slots[mutation.slot] = mutation.after;
    const std::vector<isa::Slot> slots = mutated(subject.kernel.slots(), mutation);
    const Verdict kernel = found.kernel.accepted() ? found.kernel : ask_kernel(subject.kernel, slots, /*explain=*/true);
    fmt::print("{} {}: {} at {}\n  was    {}\n  is     {}\n  kernel {} {}\n  ours   {} {}\n",
               to_string(found.agreement), subject.title(), mutation.what, mutation.slot,
               text_of(subject.source, mutation.slot), text_of(changed, mutation.slot), kernel.error, kernel.message,
               found.ours.error, found.ours.message);
    if (!arguments_.log) return;
    fmt::print("---- kernel\n{}\n---- ours\n{}\n", ask_kernel(subject.kernel, slots, /*explain=*/true).log,
               ask_ours(changed, {.log_level = 2}).log);
  }

  void note(const Subject& subject, const std::string& what) {
    fmt::print("{}: {}\n", subject.title(), what);
    faults_ = true;
  }

  Arguments arguments_;
  Clock::time_point start_;
  Counts counts_{};
  std::size_t seen_ = 0, done_ = 0, left_ = 0, other_errno_ = 0;
  bool faults_ = false;
};

}  // namespace
}  // namespace forager::twins

int main(int argc, char** argv) {
  using namespace forager::twins;
  if (!no_kernel().empty()) {
    fmt::print("skipped: {}\n", no_kernel());
    return 77;
  }
  Arguments arguments = parse(argc, argv);
  if (arguments.objects.empty()) {
    fmt::print(stderr,
               "usage: forager_verifier_mutants [--every N] [--from N] [--seconds S] [--ms N] [-v] OBJECT...\n");
    return 2;
  }
  return Run(std::move(arguments)).all();
}
