// SPDX-License-Identifier: Apache-2.0
//
// forager prog profile: what the interpreter counts while a program runs over a capture. bpftool's metrics are counters
// of the processor it runs on; here only `instructions` has a meaning of its own (instructions of the program that were
// executed), and `ns`, which is time inside the program. The others are refused by name.
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string_view>

#include "cli/interrupt.h"
#include "cli/live_run.h"
#include "cli/prog_verbs.h"
#include "cli/program_source.h"
#include "exec/frame.h"
#include "runtime/session.h"
#include "syscall/process.h"

namespace forager::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kBatch = 64;

struct Counts {
  std::uint64_t runs = 0, traps = 0, instructions = 0, ns = 0;
};

struct Metric {
  const char* name;
  std::uint64_t Counts::* value;  // null: none here
};
constexpr std::array<Metric, 7> kMetrics = {{{"instructions", &Counts::instructions},
                                             {"ns", &Counts::ns},
                                             {"cycles", nullptr},
                                             {"l1d_loads", nullptr},
                                             {"llc_misses", nullptr},
                                             {"itlb_misses", nullptr},
                                             {"dtlb_misses", nullptr}}};

struct Asked {
  std::uint64_t seconds = 0;  // 0: until the capture has run
  std::vector<const Metric*> metrics;
  std::vector<std::string> packets;
  std::uint64_t repeat = 1;
};

Result<> read_metric(Words& words, Asked& asked) {
  const auto word = *words.next("the metric");
  const auto* at = std::ranges::find(kMetrics, std::string_view(word), &Metric::name);
  if (at == kMetrics.end())
    return usage_error(fmt::format("'{}' is no metric; instructions or ns can stand here, then run FILE", word));
  if (at->value == nullptr)
    return fail(ErrorKind::unsupported, EOPNOTSUPP,
                fmt::format("{} counts the processor that runs the interpreter, not the program; there are "
                            "instructions and ns",
                            word));
  asked.metrics.push_back(at);
  return {};
}

Result<> read_run(Words& words, Asked& asked) {
  auto file = words.next("the capture");
  if (!file) return std::unexpected(file.error());
  if (words.take("repeat")) {
    auto count = words.number("the count");
    if (!count) return std::unexpected(count.error());
    asked.repeat = *count;
  }
  if (auto end = words.end(); !end) return end;
  auto packets = read_packets(*file);
  if (!packets) return std::unexpected(packets.error());
  asked.packets = std::move(*packets);
  return {};
}

Result<Asked> read_words(Words& words) {
  Asked out;
  if (words.take("duration")) {
    auto seconds = words.number("the duration");
    if (!seconds) return std::unexpected(seconds.error());
    out.seconds = *seconds;
  }
  while (!words.empty() && words.peek() != "run") {
    if (auto read = read_metric(words, out); !read) return std::unexpected(read.error());
  }
  if (out.metrics.empty()) return usage_error("a metric is missing: instructions or ns");
  if (!words.take("run")) return usage_error("'run FILE' is missing: no program runs between commands");
  if (auto read = read_run(words, out); !read) return std::unexpected(read.error());
  return out;
}

Result<> run_batch(runtime::Session& session, std::span<const std::string> packets, Counts& counts) {
  auto frames = frames_of(packets);
  if (!frames) return std::unexpected(frames.error());
  auto report = session.run(*frames);
  if (!report) return std::unexpected(report.error());
  counts.runs += report->packets;
  counts.traps += report->traps;
  counts.ns += report->busy_ns;
  return {};
}

// Until the passes are done, or the time is over.
Result<Counts> measure(runtime::Session& session, const Asked& asked) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(asked.seconds);
  const auto over = [&] { return interrupted() || (asked.seconds != 0 && std::chrono::steady_clock::now() >= end); };
  Counts counts;
  for (std::uint64_t pass = 0; (asked.seconds != 0 || pass < asked.repeat) && !over(); ++pass) {
    for (std::size_t at = 0; at < asked.packets.size() && !over(); at += kBatch) {
      const auto part = std::span(asked.packets).subspan(at, std::min(kBatch, asked.packets.size() - at));
      if (auto ran = run_batch(session, part, counts); !ran) return std::unexpected(ran.error());
    }
    if (asked.packets.empty()) break;
  }
  counts.instructions = session.device().counters().instructions;
  return counts;
}

void print(const Cli& cli, const Asked& asked, const Counts& counts) {
  if (cli.wants_json()) {
    Json list = Json::array();
    for (const Metric* metric : asked.metrics) {
      list.push_back({{"metric", metric->name},
                      {"run_cnt", counts.runs},
                      {"value", counts.*metric->value},
                      {"enabled", counts.ns},
                      {"running", counts.ns}});
    }
    cli.print(list);
    return;
  }
  const auto per_run = [&](std::uint64_t value) {
    return counts.runs == 0 ? 0.0 : static_cast<double>(value) / static_cast<double>(counts.runs);
  };
  std::string out = fmt::format("\n{:18} {:<20}\n", counts.runs, "run_cnt");
  for (const Metric* metric : asked.metrics) {
    const std::uint64_t value = counts.*metric->value;
    out += fmt::format("{:18} {:<20} # {:10.2f} per run\n", value, metric->name, per_run(value));
  }
  if (counts.traps != 0) out += fmt::format("{:18} {:<20}\n", counts.traps, "stopped");
  cli.print(out);
}

Result<runtime::Session> open_session(const ProgramHandle& program) {
  auto object = runtime_program(program);
  if (!object) return std::unexpected(object.error());
  if ((*object)->type() != isa::ProgType::xdp)
    return fail(ErrorKind::unsupported, EOPNOTSUPP,
                fmt::format("program {}: packets of a capture run through XDP programs", program.name));
  runtime::SessionOptions options;
  options.placement.backend = "interp";  // the engine that counts
  return runtime::Session::open(syscall::process().runtime.environment, *object, options);
}

}  // namespace

Result<> prog_profile(const Cli& cli, Words words) {
  auto source = open_program(cli, words, {"duration"});
  if (!source) return std::unexpected(source.error());
  auto asked = read_words(words);
  if (!asked) return std::unexpected(asked.error());
  auto session = open_session(source->program);
  if (!session) return std::unexpected(session.error());
  auto counts = measure(*session, *asked);
  if (!counts) return std::unexpected(counts.error());
  print(cli, *asked, *counts);
  return source->save();
}

}  // namespace forager::cli
