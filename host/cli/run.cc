// SPDX-License-Identifier: Apache-2.0
//
// forager run: a capture through a program.
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "cli/cli.h"
#include "cli/engine_run.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "isa/tables.h"
#include "sim/ports/pcapng_writer.h"

namespace forager::cli {
namespace {

enum XdpAction : std::uint32_t { kPass = 2, kTx = 3, kRedirect = 4 };

struct Arguments {
  std::string object, capture, output, setup;
  std::size_t show = 10;
  RunOptions run;
};

// Where a frame leaves, or nothing if it does not.
std::optional<std::string> exit_port(const exec::Frame& frame, std::uint32_t ingress) {
  switch (frame.return_value) {
    case kPass:
      return "host";
    case kTx:
      return fmt::format("{}", ingress);
    case kRedirect:
      return frame.redirect.ifindex != 0 ? fmt::format("{}", frame.redirect.ifindex) : "unknown";
    default:
      return std::nullopt;
  }
}

class Output {
 public:
  static Result<Output> open(const Arguments& arguments) {
    Output out;
    out.ingress_ = arguments.run.ifindex;
    if (arguments.output.empty()) return out;
    auto writer = sim::PcapngWriter::create(arguments.output);
    if (!writer) return std::unexpected(writer.error());
    out.writer_ = std::make_unique<sim::PcapngWriter>(std::move(*writer));
    return out;
  }

  void write(const exec::Frame& frame) {
    const auto port = writer_ ? exit_port(frame, ingress_) : std::nullopt;
    if (!port) return;
    const auto verdict = static_cast<std::uint32_t>(frame.return_value);
    writer_->write({.bytes = frame.packet(),
                    .timestamp_ns = frame.timestamp_ns,
                    .id = frame.id,
                    .verdict = verdict,
                    .verdict_name = isa::return_name(isa::ProgType::xdp, verdict),
                    .port = *port});
  }

  Result<> finish(const Arguments& arguments, RunResult& result) {
    if (!writer_) return {};
    result.output = arguments.output;
    result.output_packets = writer_->packets();
    return writer_->finish();
  }

 private:
  std::unique_ptr<sim::PcapngWriter> writer_;
  std::uint32_t ingress_ = 0;
};

Result<Setup> setup_of(const Arguments& arguments) {
  if (arguments.setup.empty()) return Setup{};
  return read_setup(arguments.setup);
}

Result<> run(const Cli& cli, const Arguments& arguments) {
  auto setup = setup_of(arguments);
  if (!setup) return std::unexpected(setup.error());
  auto packets = sim::read_capture(arguments.capture);
  if (!packets) return std::unexpected(packets.error());
  auto engine = EngineRun::open(arguments.object, *setup, arguments.run);
  if (!engine) return std::unexpected(engine.error());
  auto output = Output::open(arguments);
  if (!output) return std::unexpected(output.error());

  {
    Progress progress(packets->size() * arguments.run.repeat, "packets");
    const auto ran = engine->run(
        *packets, [&](const exec::Frame& frame) { output->write(frame); },
        [&](std::uint64_t frames) {
          progress.advance(frames);
          return interrupted();
        });
    if (!ran) return ran;
  }
  auto result = engine->result();
  if (!result) return std::unexpected(result.error());
  result->capture = arguments.capture;
  if (auto finished = output->finish(arguments, *result); !finished) return finished;
  for (const runtime::Refusal& refusal : engine->session().refused()) {
    if (arguments.run.placement.backend.empty()) break;
    fmt::print(stderr, "forager: not on {}: {}\n", refusal.backend, refusal.why.text());
  }
  if (cli.wants_json()) {
    cli.print(to_json(*result));
  } else {
    cli.print(to_text(*result, arguments.show));
  }
  return {};
}

}  // namespace

void add_run(CLI::App& app, Cli& cli) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb = app.add_subcommand("run", "run a capture through a program");
  verb->add_option("object", arguments->object, "BPF object file (clang -target bpf)")->required();
  verb->add_option("--pcap", arguments->capture, "input capture: pcap or pcapng")->required();
  verb->add_option("--write", arguments->output, "pcapng of the packets that leave");
  verb->add_option("--prog", arguments->run.program, "program, where the object has several");
  verb->add_option("--repeat", arguments->run.repeat, "run the capture so many times")
      ->check(CLI::Range(1ULL, 1000000000ULL));
  verb->add_option("--backend", arguments->run.placement.backend, "engine; see forager feature");
  verb->add_option("--fallback", arguments->run.placement.fallback, "engines allowed where --backend refuses")
      ->delimiter(',');
  verb->add_option("--setup", arguments->setup, "JSON with map entries, routes and ports (docs/cli.md)");
  verb->add_flag("--checked", arguments->run.checked, "interp: stop at the first uninitialised read too");
  verb->add_flag("--assert-facts", arguments->run.assert_facts, "... and where a fact of the verifier does not hold");
  verb->add_option("--ifindex", arguments->run.ifindex, "ingress interface the program sees")->capture_default_str();
  verb->add_option("--queue", arguments->run.queue, "receive queue the program sees")->capture_default_str();
  verb->add_option("--seed", arguments->run.seed, "of bpf_get_prandom_u32")->capture_default_str();
  verb->add_option("--show", arguments->show, "map entries and printk lines shown")->capture_default_str();
  verb->callback([&cli, arguments] { cli.action = [&cli, arguments] { return run(cli, *arguments); }; });
}

}  // namespace forager::cli
