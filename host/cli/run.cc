// SPDX-License-Identifier: Apache-2.0
//
// forager run: a capture, or a file of events, through a program.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>

#include "cli/cli.h"
#include "cli/engine_run.h"
#include "cli/event_file.h"
#include "cli/event_results.h"
#include "cli/interrupt.h"
#include "cli/opencl_files.h"
#include "cli/progress.h"
#include "exec/skb.h"
#include "exec/verdict.h"
#include "isa/tables.h"
#include "sim/ports/pcapng_writer.h"

namespace forager::cli {
namespace {

struct Arguments {
  std::string object, capture, events, output, setup, save_temps;
  std::size_t show = 10;
  RunOptions run;
};

const std::map<std::string, exec::Order> kOrders = {
    {"packet", exec::Order::packet}, {"flow", exec::Order::flow}, {"none", exec::Order::none}};

std::string port_text(const exec::Redirect& redirect) {
  const auto way = way_of(redirect);
  if (!way) return "unknown";
  const std::string name = way->kind == "port" ? fmt::format("{}", way->number) : to_text(*way);
  return name + ((redirect.flags & BPF_F_INGRESS) != 0 ? " ingress" : "");
}

// Where a frame leaves, or nothing if it does not.
std::optional<std::string> exit_port(const exec::Frame& frame, isa::ProgType type, std::uint32_t ingress) {
  switch (exec::fate_of(type, static_cast<std::uint32_t>(frame.return_value))) {
    case exec::Fate::passed:
      return "host";
    case exec::Fate::returned:
      return fmt::format("{}", ingress);
    case exec::Fate::redirected:
      return port_text(frame.results().redirect);
    case exec::Fate::dropped:
      break;
  }
  return std::nullopt;
}

class Output {
 public:
  static Result<Output> open(const Arguments& arguments, isa::ProgType type) {
    Output out;
    out.ingress_ = arguments.run.ifindex;
    out.type_ = type;
    if (arguments.output.empty()) return out;
    auto writer = sim::PcapngWriter::create(arguments.output);
    if (!writer) return std::unexpected(writer.error());
    out.writer_ = std::make_unique<sim::PcapngWriter>(std::move(*writer));
    return out;
  }

  // The frame, if it leaves, after the copies of it that left on the way.
  void write(const exec::Frame& frame) {
    if (!writer_) return;
    for (const exec::FrameClone& clone : frame.results().clones) {
      put(frame, clone.packet, "clone", port_text(clone.redirect));
    }
    const auto port = exit_port(frame, type_, ingress_);
    if (!port) return;
    const auto name = isa::return_name(type_, static_cast<std::uint32_t>(frame.return_value));
    if (frame.skb != nullptr) {
      put(frame, exec::skb_on_the_wire(frame), name, *port);
    } else {
      put(frame, frame.packet(), name, *port);
    }
  }

  Result<> finish(const Arguments& arguments, RunResult& result) {
    if (!writer_) return {};
    result.output = arguments.output;
    result.output_packets = writer_->packets();
    return writer_->finish();
  }

 private:
  void put(const exec::Frame& frame, std::span<const std::byte> bytes, std::string_view name, const std::string& port) {
    writer_->write({.bytes = bytes,
                    .timestamp_ns = frame.timestamp_ns,
                    .id = frame.id,
                    .verdict = static_cast<std::uint32_t>(frame.return_value),
                    .verdict_name = name,
                    .port = port});
  }

  std::unique_ptr<sim::PcapngWriter> writer_;
  isa::ProgType type_ = isa::ProgType::xdp;
  std::uint32_t ingress_ = 0;
};

Result<Setup> setup_of(const Arguments& arguments) {
  if (arguments.setup.empty()) return Setup{};
  return read_setup(arguments.setup);
}

void show(const Cli& cli, const Arguments& arguments, EngineRun& engine, const RunResult& result) {
  for (const runtime::Refusal& refusal : engine.session().refused()) {
    if (arguments.run.placement.backend.empty()) break;
    fmt::print(stderr, "forager: not on {}: {}\n", refusal.backend, refusal.why.text());
  }
  if (cli.wants_json()) {
    cli.print(to_json(result));
  } else {
    cli.print(to_text(result, arguments.show));
  }
}

// The file is read anew for each pass: programs change what stands in the events.
Result<> run_passes(const Arguments& arguments, EngineRun& engine, RunResult& seen) {
  const isa::ProgType type = engine.session().program().type();
  for (std::uint64_t i = 0; i < arguments.run.repeat && !interrupted(); ++i) {
    auto frames = read_events(arguments.events, type);
    if (!frames) return std::unexpected(frames.error());
    EventResults results(*isa::find_prog_type(static_cast<std::uint32_t>(type)), *frames);
    const FrameSink sink = [&](const exec::Frame& frame) { results.add(frame, seen); };
    if (auto ran = engine.run_frames(*frames, i == 0 ? sink : FrameSink{}, [](std::uint64_t) { return interrupted(); });
        !ran) {
      return ran;
    }
  }
  return {};
}

Result<> run_events(const Cli& cli, Arguments arguments) {
  auto setup = setup_of(arguments);
  if (!setup) return std::unexpected(setup.error());
  arguments.run.input = Input::events;
  auto engine = EngineRun::open(arguments.object, *setup, arguments.run);
  if (!engine) return std::unexpected(engine.error());
  RunResult seen;
  if (auto ran = run_passes(arguments, *engine, seen); !ran) return ran;
  auto result = engine->result();
  if (!result) return std::unexpected(result.error());
  result->events = arguments.events;
  result->event_results = std::move(seen.event_results);
  result->event_results_left_out = seen.event_results_left_out;
  show(cli, arguments, *engine, *result);
  return {};
}

Result<> run(const Cli& cli, const Arguments& arguments) {
  if (!arguments.save_temps.empty()) place_opencl_files(arguments.save_temps);
  if (!arguments.events.empty()) return run_events(cli, arguments);
  if (arguments.capture.empty()) return usage_error("--pcap is required, or --events");
  auto setup = setup_of(arguments);
  if (!setup) return std::unexpected(setup.error());
  auto packets = sim::read_capture(arguments.capture);
  if (!packets) return std::unexpected(packets.error());
  auto engine = EngineRun::open(arguments.object, *setup, arguments.run);
  if (!engine) return std::unexpected(engine.error());
  auto output = Output::open(arguments, engine->type());
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
  show(cli, arguments, *engine, *result);
  return {};
}

constexpr std::uint32_t kMostPackets = 65536;      // of a launch
constexpr std::uint32_t kMostLatencyUs = 1000000;  // of a launch

void add_offload_options(CLI::App& verb, exec::Offload& offload) {
  verb.add_option("--device", offload.device,
                  "opencl: its number in forager device list, or a part of its name; the first usable by default");
  verb.add_option("--batch", offload.batch, "opencl: packets of one launch at the most; the device's choice by default")
      ->check(CLI::Range(1U, kMostPackets));
  verb.add_option("--max-latency", offload.max_latency_us,
                  "opencl: launches are so large that one ends within so many microseconds")
      ->check(CLI::Range(1U, kMostLatencyUs));
  verb.add_flag("--copies", offload.copies, "opencl: copy packets and maps even where the device shares our memory");
}

}  // namespace

void add_run(CLI::App& app, Cli& cli) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb = app.add_subcommand("run", "run a capture, or a file of events, through a program");
  verb->add_option("object", arguments->object, "BPF object file (clang -target bpf)")->required();
  CLI::Option* pcap = verb->add_option("--pcap", arguments->capture, "input capture: pcap or pcapng");
  verb->add_option("--events", arguments->events, "input for programs that see no packets: JSON lines (docs/cli.md)")
      ->excludes(pcap);
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
  verb->add_option("--linear", arguments->run.linear, "bytes of a packet that are linear; the rest is in fragments");
  verb->add_option("--seed", arguments->run.seed, "of bpf_get_prandom_u32")->capture_default_str();
  verb->add_option_function<std::string>(
          "--order", [arguments](const std::string& word) { arguments->run.order = kOrders.at(word); },
          "rtl, opencl: whose effects on maps keep their order: all packets' (packet), those of a flow (flow), "
          "or nobody's (none)")
      ->check(CLI::IsMember({"packet", "flow", "none"}));
  verb->add_flag_callback("--unordered", [arguments] { arguments->run.order = exec::Order::none; }, "--order none");
  verb->add_option("--config", arguments->run.simulation.configuration,
                   "rtl: which device, by its name in hw/configs.yaml: default, small or large");
  verb->add_option("--threads", arguments->run.simulation.threads, "rtl: hardware threads in use; all by default")
      ->check(CLI::Range(1U, 16U));
  verb->add_flag("--lockstep", arguments->run.simulation.lockstep,
                 "rtl: compare each instruction's result with the interpreter's");
  verb->add_flag(
      "--plain", arguments->run.simulation.plain,
      "rtl: one BPF instruction after the other, as they are; with --lockstep the result of each is compared");
  verb->add_option("--wave", arguments->run.simulation.wave, "rtl: write all signals to an FST file");
  verb->add_option("--wave-on", arguments->run.simulation.wave_on,
                   "... only around verdict:NAME, packet:N or pc:N (BPF instruction)");
  verb->add_option("--wave-before", arguments->run.simulation.wave_before, "... clock cycles before it")
      ->capture_default_str()
      ->check(CLI::Range(1U, 100000000U));
  verb->add_option("--wave-after", arguments->run.simulation.wave_after, "... and after it")
      ->capture_default_str()
      ->check(CLI::Range(0U, 100000000U));
  verb->add_option("--gap", arguments->run.simulation.gap, "rtl: chance of an idle cycle before a beat, in 256")
      ->check(CLI::Range(0U, 255U));
  verb->add_option("--back-pressure", arguments->run.simulation.back_pressure,
                   "rtl: chance that the far end takes nothing in a cycle, in 256")
      ->check(CLI::Range(0U, 255U));
  add_offload_options(*verb, arguments->run.offload);
  verb->add_option("--save-temps", arguments->save_temps, "opencl: directory that generated kernels are left in");
  verb->add_option("--show", arguments->show, "map entries and printk lines shown")->capture_default_str();
  verb->callback([&cli, arguments] { cli.action = [&cli, arguments] { return run(cli, *arguments); }; });
}

}  // namespace forager::cli
