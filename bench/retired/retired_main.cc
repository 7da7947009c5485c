// SPDX-License-Identifier: Apache-2.0
//
// Instructions that arm64 programs retire for each packet, and code size, on the JIT and as gcc compiled the same C:
//
//   qemu-aarch64 -plugin PLUGIN -L SYSROOT forager_retired [PART-OF-A-NAME]      (./dev retired)
//
// arm64 is emulated here, so time says nothing and instructions do. Each figure is net of the same engine's empty
// program over the same packets, and holds what helpers and maps execute as well, but nothing that the kernel does.
// Answers are compared with the interpreter's first. Hash tables are seeded anew in each process, and what a program
// does may depend on the clock, so figures of two runs differ by some instructions.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <string_view>

#include "bench/peers/race.h"
#include "bench/retired/call.h"
#include "cli/messages.h"
#include "jit-backends/backends.h"

namespace forager::bench {
namespace {

std::uint64_t retired() {
  std::uint64_t count = 0;
  syscall(RETIRED_CALL, &count);
  return count;
}

// Of a loop of two instructions.
std::uint64_t retired_by_loop(std::uint64_t rounds) {
  const std::uint64_t begin = retired();
  asm volatile("0: subs %0, %0, #1\n b.ne 0b" : "+r"(rounds) : : "cc");
  return retired() - begin;
}

bool counts_right() { return retired_by_loop(3000) == retired_by_loop(1000) + 4000; }

std::vector<Entrant> entrants() {
  const auto jit = [](const ExampleProgram& program) {
    return make_device_contender(program, *jit::find_backend("arm64"));
  };
  return {{"arm64", jit, {}}, {"native", make_native_contender, {}}};
}

struct Sums {
  int programs = 0;
  double ours = 0, theirs = 0;
  std::size_t our_bytes = 0, their_bytes = 0;

  void add(const Figure& our, const Figure& their) {
    ++programs;
    ours += our.net;
    theirs += their.net;
    our_bytes += our.code_bytes;
    their_bytes += their.code_bytes;
  }
};

void print_line(std::string_view name, const Figure& our, const Figure& their) {
  if (!their.error.empty()) {
    fmt::print("| {} | {:.1f} | - | - | {} | - |\n", name, our.net, our.code_bytes);
    return;
  }
  fmt::print("| {} | {:.1f} | {:.1f} | {:.2f} | {} | {} |\n", name, our.net, their.net, our.net / their.net,
             our.code_bytes, their.code_bytes);
}

void print_sums(std::string_view what, const Sums& sums) {
  if (sums.programs == 0) return;
  fmt::print("{}, {} programs: arm64 {:.0f}, native {:.0f}, arm64 / native {:.2f}; bytes {} and {}\n", what,
             sums.programs, sums.ours, sums.theirs, sums.ours / sums.theirs, sums.our_bytes, sums.their_bytes);
}

// Whether the figures may be shown; says why not, and what is missing.
bool are_good(const ExampleProgram& program, const std::vector<Figure>& figures) {
  bool good = figures[0].error.empty();
  for (const Figure& figure : figures) {
    if (!figure.error.empty()) fmt::print(stderr, "{}: {}: {}\n", program.name, figure.name, figure.error);
    good &= !figure.is_wrong;
  }
  return good;
}

// The exit status: 1 where the JIT did not run a program, or an engine answered otherwise than the interpreter.
int run(std::string_view part) {
  Sums with_maps, computing;
  int status = 0;
  fmt::print(
      "| program | arm64 | native | arm64 / native | arm64, bytes | native, bytes |\n|---|---|---|---|---|---|\n");
  for (const ExampleProgram& program : kExamplePrograms) {
    if (!program.is_in(Scenario::peers) || std::string_view(program.name).find(part) == std::string_view::npos)
      continue;
    const auto figures = count(program, entrants(), retired);
    if (!are_good(program, figures)) {
      status = 1;
      continue;
    }
    print_line(program.name, figures[0], figures[1]);
    auto stage = Stage::open(program);
    if (figures[1].error.empty() && stage) (stage->uses_maps() ? with_maps : computing).add(figures[0], figures[1]);
  }
  print_sums("\nwith maps", with_maps);
  print_sums("computing", computing);
  return status;
}

}  // namespace
}  // namespace forager::bench

int main(int argc, char** argv) {
  forager::cli::show_libbpf_messages(false);
  if (!forager::bench::counts_right()) {
    fmt::print(stderr, "forager_retired runs under qemu-aarch64 with its plugin: ./dev retired\n");
    return 2;
  }
  return forager::bench::run(argc > 1 ? argv[1] : "");
}
