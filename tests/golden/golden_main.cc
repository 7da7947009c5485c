// SPDX-License-Identifier: Apache-2.0
//
// One example program over one capture, on every engine:
//
//   forager_golden BUILD-DIR SOURCE-DIR PROGRAM CAPTURE [--bless | --engine NAME]
//
//   interp            equals the golden file tests/golden/PROGRAM.CAPTURE.json (--bless rewrites it)
//   interp, checked   equals interp, and stops no packet
//   other engines     equal interp: verdicts, packets, maps, output
//                     ... or refuse the program in the words of tests/golden/refusals.txt
//   rtl               ... also with one thread, with little memory, and with a line that stops and goes
//   linux             equals interp: verdicts, packets, maps; where bpf(2) is not available it says so
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "cli/messages.h"
#include "jit-backends/backends.h"
#include "jit-backends/opencl/build.h"
#include "tests/golden/outcome.h"

namespace forager::golden {
namespace {

namespace fs = std::filesystem;

struct Request {
  Subject subject;
  std::string golden;
  std::string refusals;  // by engine and program
  std::string program;
  std::string engine;  // only this one; empty: all
  bool bless = false;
};

// What the kernel's test run does not tell (jit-backends/linux/README.md).
constexpr Compared kToldByLinux = {.redirect_ports = false, .printk = false};

int failed(const std::string& what) {
  fmt::print(stderr, "{}\n", what);
  return 1;
}

cli::RunOptions options_for(const std::string& backend, bool checked) {
  cli::RunOptions options;
  options.placement.backend = backend;
  options.checked = checked;
  return options;
}

int check_golden(const Request& request, const Outcome& outcome) {
  const std::string text = summary(outcome).dump(1) + "\n";
  if (request.bless) {
    std::ofstream(request.golden, std::ios::binary) << text;
    fmt::print("wrote {}\n", request.golden);
    return 0;
  }
  std::ifstream file(request.golden, std::ios::binary);
  if (!file) return failed(fmt::format("{} is missing; `forager_golden ... --bless` makes it", request.golden));
  const std::string kept{std::istreambuf_iterator<char>(file), {}};
  if (kept == text) return 0;
  return failed(fmt::format("interp differs from {}\n--- is\n{}--- should be\n{}", request.golden, text, kept));
}

// What an engine does not take stands in a list with the reason; nothing else may be refused, and nothing that stands
// there may run.
std::string known_refusal(const Request& request, const std::string& engine) {
  const std::string key = engine + " " + request.program + ": ";
  std::ifstream file(request.refusals);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return line.substr(key.size());
  }
  return {};
}

int check_refusal(const Request& request, const std::string& label, const std::string& known,
                  const Result<Outcome>& outcome) {
  if (outcome) return failed(fmt::format("{} runs what {} says it refuses", label, request.refusals));
  const std::string why = outcome.error().text();
  if (why.find(known) == std::string::npos) return failed(fmt::format("{}: refused: {}, not: {}", label, why, known));
  fmt::print("{}: refused, as expected: {}\n", label, known);
  return 0;
}

int check_engine(const Request& request, const Outcome& expected, const cli::RunOptions& options,
                 const Compared& told) {
  const std::string label = options.placement.backend + (options.checked ? " (checked)" : "");
  auto outcome = run(request.subject, options);
  const std::string known = known_refusal(request, options.placement.backend);
  if (!known.empty()) return check_refusal(request, label, known, outcome);
  if (!outcome) return failed(fmt::format("{}: {}", label, outcome.error().text()));
  const auto found = differences(expected, *outcome, told);
  for (const std::string& line : found) fmt::print(stderr, "{}: {}\n", label, line);
  if (found.empty()) fmt::print("{}: {} packets equal\n", label, outcome->frames.size());
  return found.empty() ? 0 : 1;
}

// Other devices, and other lines to them.
int check_simulations(const Request& request, const Outcome& reference) {
  const exec::Simulation simulations[] = {
      {.threads = 1}, {.configuration = "small"}, {.gap = 64, .back_pressure = 128}};
  int status = 0;
  for (const exec::Simulation& simulation : simulations) {
    cli::RunOptions options = options_for("rtl", false);
    options.simulation = simulation;
    status |= check_engine(request, reference, options, {});
  }
  return status;
}

// Over the packets that the kernel's test run takes.
int check_linux(Request request, const exec::Capabilities& kernel) {
  request.subject.min_packet_bytes = kernel.min_packet_bytes;
  request.subject.max_packet_bytes = kernel.max_packet_bytes;
  request.subject.whole_headers = true;
  auto reference = run(request.subject, options_for("interp", false));
  if (!reference) return failed(fmt::format("interp: {}", reference.error().text()));
  return check_engine(request, *reference, options_for("linux", false), kToldByLinux);
}

int check(const Request& request) {
  cli::show_libbpf_messages(false);
  auto reference = run(request.subject, options_for("interp", false));
  if (!reference) return failed(fmt::format("interp: {}", reference.error().text()));
  if (!request.engine.empty()) return check_engine(request, *reference, options_for(request.engine, false), {});
  int status = check_golden(request, *reference);
  status |= check_engine(request, *reference, options_for("interp", true), {});
  for (const jit::BackendRow& row : jit::backends()) {
    if (row.name == "interp" || row.name == "linux" || !row.get().capabilities().available) continue;
    status |= check_engine(request, *reference, options_for(std::string(row.name), false), {});
  }
  status |= check_simulations(request, *reference);
  const exec::Capabilities& kernel = jit::find_backend("linux")->capabilities();
  if (!kernel.available) {
    fmt::print("linux: not compared: {}\n", kernel.reason);
    return status;
  }
  return status | check_linux(request, kernel);
}

}  // namespace
}  // namespace forager::golden

int main(int argc, char** argv) {
  using namespace forager::golden;
  if (argc < 5) return failed("usage: forager_golden BUILD-DIR SOURCE-DIR PROGRAM CAPTURE [--bless | --engine NAME]");
  const fs::path build = argv[1], source = argv[2];
  const std::string program = argv[3], capture = argv[4];
  const fs::path setup = source / "tests/programs" / (program + ".setup.json");
  Request request;
  request.subject.object = build / "programs" / (program + ".bpf.o");
  request.subject.capture = build / "captures" / (capture + ".pcap");
  if (fs::exists(setup)) request.subject.setup = setup;
  request.golden = source / "tests/golden" / fmt::format("{}.{}.json", program, capture);
  forager::jit::opencl::set_places({.cache = build / "opencl-cache"});
  request.refusals = source / "tests/golden/refusals.txt";
  request.program = program;
  request.bless = argc > 5 && std::string_view(argv[5]) == "--bless";
  if (argc > 6 && std::string_view(argv[5]) == "--engine") request.engine = argv[6];
  return check(request);
}
