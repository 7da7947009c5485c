// SPDX-License-Identifier: Apache-2.0
#include "cli/engine_run.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "cli/btf_value.h"
#include "cli/events.h"
#include "cli/map_io.h"
#include "syscall/process.h"

namespace forager::cli {

// The trace stream of one run; the runtime's environment holds it too.
struct TraceLog {
  static constexpr std::size_t kKept = 1000;
  std::vector<std::string> lines;
  std::uint64_t lost = 0;

  void add(std::string_view line) {
    if (lines.size() < kKept) {
      lines.emplace_back(line);
    } else {
      ++lost;
    }
  }
};

namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kKeptTraps = 5;

Result<std::shared_ptr<runtime::ProgramObject>> runtime_program(bpf_program* program) {
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  const int status = ::bpf_obj_get_info_by_fd(::bpf_program__fd(program), &info, &size);
  auto object = status == 0 ? syscall::process().runtime.programs().find(info.id) : nullptr;
  if (object) return object;
  return fail(ErrorKind::bug, ENOENT,
              fmt::format("program {} was loaded but is unknown", ::bpf_program__name(program)));
}

void set_field(exec::Frame& frame, std::size_t offset, std::uint32_t value) {
  std::memcpy(frame.context.data() + offset, &value, sizeof value);
}

Result<std::vector<MapHandle>> handles_of(const api::ElfObject& object) {
  std::vector<MapHandle> out;
  for (bpf_map* map : object.maps()) {
    auto handle = handle_of(map, object.types());
    if (!handle) return std::unexpected(handle.error());
    out.push_back(std::move(*handle));
  }
  return out;
}

MapView event_view(MapView view, const EventLog& log) {
  view.records = log.records;
  view.lost = log.lost;
  for (const std::string& record : log.first) {
    const std::span bytes(reinterpret_cast<const std::byte*>(record.data()), record.size());
    MapEntryView entry;
    entry.raw["data"] = raw_bytes(bytes);
    entry.value_text = hex_text(bytes);
    view.entries.push_back(std::move(entry));
  }
  return view;
}

}  // namespace

EngineRun::EngineRun(EngineRun&&) noexcept = default;
EngineRun& EngineRun::operator=(EngineRun&&) noexcept = default;
EngineRun::~EngineRun() = default;

Result<EngineRun> EngineRun::open(const std::string& object_path, const Setup& setup, const RunOptions& options) {
  EngineRun out;
  out.options_ = options;
  out.trace_ = std::make_shared<TraceLog>();
  exec::Environment& environment = syscall::process().runtime.environment;
  environment.trace = [log = out.trace_](unsigned, std::string_view line) { log->add(line); };
  environment.fib = setup.fib;

  auto object = api::ElfObject::open(object_path);
  if (!object) return std::unexpected(object.error());
  auto program = object->program(options.program);
  if (!program) {
    program.error().message += "; choose one with --prog";
    return std::unexpected(program.error());
  }
  if (::bpf_program__type(*program) != BPF_PROG_TYPE_XDP) {
    return fail(ErrorKind::unsupported, EOPNOTSUPP,
                fmt::format("{}: program {} is of section '{}'; packets of a capture run through XDP programs",
                            object_path, ::bpf_program__name(*program), ::bpf_program__section_name(*program)));
  }
  if (auto loaded = object->load(); !loaded) return std::unexpected(loaded.error());
  out.object_ = std::make_unique<api::ElfObject>(std::move(*object));
  if (auto applied = out.apply(setup); !applied) return std::unexpected(applied.error());

  auto handles = handles_of(*out.object_);
  if (!handles) return std::unexpected(handles.error());
  auto events = EventReaders::open(*handles);
  if (!events) return std::unexpected(events.error());
  out.events_ = std::move(*events);

  auto loaded = runtime_program(*program);
  if (!loaded) return std::unexpected(loaded.error());
  runtime::SessionOptions session;
  session.placement = options.placement;
  session.compile = {.checked = options.checked, .assert_facts = options.assert_facts};
  session.device.seed = options.seed;
  session.device.ports = setup.ports;
  auto opened = runtime::Session::open(environment, *loaded, session);
  if (!opened) return std::unexpected(opened.error());
  out.session_ = std::make_unique<runtime::Session>(std::move(*opened));

  out.result_.program = ::bpf_program__name(*program);
  out.result_.program_type = "xdp";
  out.result_.object = object_path;
  out.result_.repeat = options.repeat;
  out.result_.backend = out.session_->backend();
  out.result_.device = out.session_->device().info().name;
  return out;
}

Result<> EngineRun::apply(const Setup& setup) {
  for (std::size_t i = 0; i < setup.maps.size(); ++i) {
    const MapEntry& entry = setup.maps[i];
    auto map = object_->map(entry.map);
    if (!map) return std::unexpected(map.error());
    auto handle = handle_of(*map, object_->types());
    if (!handle) return std::unexpected(handle.error());
    if (auto written = write_entry(*handle, {entry.key, entry.value}); !written) {
      written.error().message = fmt::format("setup entry {}: {}", i, written.error().message);
      return written;
    }
  }
  return {};
}

Result<std::vector<exec::Frame>> EngineRun::make_batch(std::span<const sim::CapturedPacket> packets,
                                                       std::uint64_t first_id) const {
  std::vector<exec::Frame> frames;
  frames.reserve(packets.size());
  for (const sim::CapturedPacket& packet : packets) {
    auto frame = exec::Frame::make(packet.bytes);
    if (!frame) return std::unexpected(frame.error());
    frame->id = first_id + frames.size();
    frame->timestamp_ns = packet.timestamp_ns;
    set_field(*frame, offsetof(xdp_md, ingress_ifindex), options_.ifindex);
    set_field(*frame, offsetof(xdp_md, rx_queue_index), options_.queue);
    frames.push_back(std::move(*frame));
  }
  return frames;
}

void EngineRun::count(const exec::Frame& frame, std::uint64_t bytes) {
  VerdictCount& verdict = result_.verdicts[static_cast<std::uint32_t>(frame.return_value)];
  ++verdict.packets;
  verdict.bytes += bytes;
  if (!frame.trap) return;
  ++result_.trap_count;
  if (result_.traps.size() >= kKeptTraps) return;
  result_.traps.push_back(*frame.trap);
  result_.traps.back().message = fmt::format("packet {}: {}", frame.id, frame.trap->message);
}

Result<> EngineRun::pass(const std::vector<sim::CapturedPacket>& packets, const FrameSink* sink,
                         const StopCheck& stop) {
  for (std::size_t at = 0; at < packets.size(); at += kBatch) {
    const std::span part = std::span(packets).subspan(at, std::min(kBatch, packets.size() - at));
    auto frames = make_batch(part, at);
    if (!frames) return std::unexpected(frames.error());
    auto report = session_->run(*frames);
    if (!report) return std::unexpected(report.error());
    result_.busy_ns += report->busy_ns;
    for (std::size_t i = 0; i < part.size(); ++i) {
      count((*frames)[i], part[i].bytes.size());
      if (sink != nullptr && *sink) (*sink)((*frames)[i]);
    }
    events_->drain();
    if ((options_.checked || options_.assert_facts) && result_.trap_count > 0)
      return std::unexpected(result_.traps.front());
    if (stop && stop(part.size())) result_.interrupted = true;
    if (result_.interrupted) return {};
  }
  return {};
}

Result<> EngineRun::run(const std::vector<sim::CapturedPacket>& packets, const FrameSink& sink, const StopCheck& stop) {
  result_.packets += packets.size();
  for (const sim::CapturedPacket& packet : packets) result_.bytes += packet.bytes.size();
  for (std::uint64_t i = 0; i < options_.repeat && !result_.interrupted; ++i) {
    if (auto done = pass(packets, i == 0 ? &sink : nullptr, stop); !done) return done;
  }
  return {};
}

Result<RunResult> EngineRun::result() {
  events_->drain();
  auto handles = handles_of(*object_);
  if (!handles) return std::unexpected(handles.error());
  result_.maps.clear();
  for (const MapHandle& handle : *handles) {
    auto view = view_of(handle, true);
    if (!view) return std::unexpected(view.error());
    if (const EventLog* log = events_->log(handle.name)) view = event_view(std::move(*view), *log);
    result_.maps.push_back(std::move(*view));
  }
  result_.printk = trace_->lines;
  result_.printk_lost = trace_->lost;
  return result_;
}

}  // namespace forager::cli
