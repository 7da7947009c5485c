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
#include <mutex>

#include "cli/btf_value.h"
#include "cli/events.h"
#include "cli/map_contents.h"
#include "cli/map_io.h"
#include "exec/skb.h"
#include "exec/verdict.h"
#include "syscall/process.h"

namespace forager::cli {

// The trace stream of one run; the runtime's environment holds it too. Devices on several threads may write it.
struct TraceLog {
  static constexpr std::size_t kKept = 1000;
  std::mutex mutex;
  std::vector<std::string> lines;
  std::uint64_t lost = 0;

  void add(std::string_view line) {
    const std::scoped_lock lock(mutex);
    if (lines.size() < kKept) {
      lines.emplace_back(line);
    } else {
      ++lost;
    }
  }
};

namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kOffloadBatch = 16384;  // of a device that runs them at the same time
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

bool takes_packets(const isa::ProgTypeRow* type) {
  return type != nullptr && (type->type == isa::ProgType::xdp ||
                             (exec::sees_skb(type->type) && type->type != isa::ProgType::flow_dissector));
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

// Packets run through XDP programs, events through those that see no packet at all.
Result<> check_input(const std::string& path, const bpf_program* program, Input input) {
  const isa::ProgTypeRow* row = isa::find_prog_type(static_cast<std::uint32_t>(::bpf_program__type(program)));
  const bool sees_packets = row != nullptr && (row->type == isa::ProgType::xdp || exec::sees_skb(row->type));
  if (input == Input::events ? row != nullptr && !sees_packets : takes_packets(row)) return {};
  return fail(ErrorKind::unsupported, EOPNOTSUPP,
              fmt::format("{}: program {} is of section '{}'; {}", path, ::bpf_program__name(program),
                          ::bpf_program__section_name(program),
                          input == Input::events
                              ? "events run through programs that see no packets"
                              : "packets of a capture run through XDP programs and those of the network stack"));
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
  for (const auto& socket : setup.sockets) environment.sockets.add(socket);

  auto object = api::ElfObject::open(object_path);
  if (!object) return std::unexpected(object.error());
  auto program = object->program(options.program);
  if (!program) {
    program.error().message += "; choose one with --prog";
    return std::unexpected(program.error());
  }
  if (auto fits = check_input(object_path, *program, options.input); !fits) return std::unexpected(fits.error());
  const isa::ProgTypeRow* type = isa::find_prog_type(::bpf_program__type(*program));
  out.type_ = type->type;
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
  session.device.order = options.order;
  session.device.offload = options.offload;
  session.device.simulation = options.simulation;
  auto opened = runtime::Session::open(environment, *loaded, session);
  if (!opened) return std::unexpected(opened.error());
  out.session_ = std::make_unique<runtime::Session>(std::move(*opened));
  out.onward_ = std::make_unique<runtime::Onward>(syscall::process().runtime, session);

  out.result_.program = ::bpf_program__name(*program);
  out.result_.program_type = type->name;
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
    auto value = value_of(entry, *handle);
    auto written = value ? write_entry(*handle, {entry.key, *value}) : std::unexpected(std::move(value.error()));
    if (!written) {
      written.error().message = fmt::format("setup entry {}: {}", i, written.error().message);
      return written;
    }
  }
  return {};
}

// With the descriptor of the program that it names.
Result<std::string> EngineRun::value_of(const MapEntry& entry, const MapHandle& map) const {
  if (entry.program.empty()) return entry.value;
  const auto reference = reference_in(map);
  if (!reference || reference->what != Referent::program || entry.value.size() != map.value_size) {
    return fail(ErrorKind::input, EINVAL, fmt::format("a value of map {} holds no program", entry.map));
  }
  const auto program = object_->program(entry.program);
  if (!program) return std::unexpected(program.error());
  std::string value = entry.value;
  set_named(*reference, value, static_cast<std::uint32_t>(::bpf_program__fd(*program)));
  return value;
}

Result<std::vector<exec::Frame>> EngineRun::make_batch(const Packets& packets, std::uint64_t first,
                                                       std::size_t count) const {
  std::vector<exec::Frame> frames;
  frames.reserve(count);
  while (frames.size() < count) {
    const std::uint64_t id = (first + frames.size()) % packets.size();
    const sim::CapturedPacket& packet = packets[id];
    auto frame = type_ == isa::ProgType::xdp ? make_xdp(packet) : make_skb(packet);
    if (!frame) return std::unexpected(frame.error());
    frame->id = id;
    frame->timestamp_ns = packet.timestamp_ns;
    frames.push_back(std::move(*frame));
  }
  return frames;
}

Result<exec::Frame> EngineRun::make_xdp(const sim::CapturedPacket& packet) const {
  auto frame = exec::Frame::make(packet.bytes);
  if (!frame) return frame;
  const std::uint32_t asked = options_.linear.value_or(exec::kMaxLinearBytes);
  const bool fragments = options_.linear || session_->program().source().xdp_has_frags;
  if (fragments) frame->set_linear(std::min(asked, exec::kMaxLinearBytes));
  exec::set(*frame, offsetof(xdp_md, ingress_ifindex), options_.ifindex);
  exec::set(*frame, offsetof(xdp_md, rx_queue_index), options_.queue);
  return frame;
}

// A frame without an Ethernet header has no place in the stack: zeros make it one.
Result<exec::Frame> EngineRun::make_skb(const sim::CapturedPacket& packet) const {
  std::vector<std::byte> bytes(packet.bytes.begin(), packet.bytes.end());
  bytes.resize(std::max<std::size_t>(bytes.size(), exec::kMinSkbBytes));
  const exec::FibTable& table = syscall::process().runtime.environment.fib;
  auto frame = exec::make_skb(bytes, type_, exec::skb_device(table, options_.ifindex));
  if (!frame) return frame;
  if (options_.linear) frame->set_linear(*options_.linear);
  exec::set(*frame, offsetof(__sk_buff, ingress_ifindex), options_.ifindex);
  exec::set(*frame, offsetof(__sk_buff, tstamp), std::uint64_t{packet.timestamp_ns});
  return frame;
}

void EngineRun::count_trap(const exec::Frame& frame) {
  if (!frame.results().trap) return;
  ++result_.trap_count;
  if (result_.traps.size() >= kKeptTraps) return;
  result_.traps.push_back(*frame.results().trap);
  result_.traps.back().message = fmt::format("{} {}: {}", options_.input == Input::events ? "event" : "packet",
                                             frame.id, frame.results().trap->message);
}

// The program, whose verdicts count, and then those of the map entries that frames are redirected to.
Result<> EngineRun::run_programs(std::span<exec::Frame> frames) {
  std::vector<std::size_t> bytes;
  bytes.reserve(frames.size());
  for (const exec::Frame& frame : frames) bytes.push_back(frame.packet().size());
  auto report = session_->run(frames);
  if (!report) return std::unexpected(report.error());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    VerdictCount& verdict = result_.verdicts[static_cast<std::uint32_t>(frames[i].return_value)];
    ++verdict.packets;
    verdict.bytes += bytes[i];
  }
  auto onward = onward_->run(frames);
  if (!onward) return std::unexpected(onward.error());
  result_.busy_ns += report->busy_ns + onward->busy_ns;
  return {};
}

Result<> EngineRun::run_batch(std::span<exec::Frame> frames, const FrameSink* sink) {
  if (auto ran = run_programs(frames); !ran) return ran;
  for (const exec::Frame& frame : frames) {
    count_way(frame);
    count_trap(frame);
    if (sink != nullptr && *sink) (*sink)(frame);
  }
  events_->drain();
  if ((options_.checked || options_.assert_facts) && result_.trap_count > 0)
    return std::unexpected(result_.traps.front());
  return {};
}

void EngineRun::ask_to_stop(const StopCheck& stop, std::uint64_t frames) {
  if (stop && stop(frames)) result_.interrupted = true;
}

void EngineRun::count_way(const exec::Frame& frame) {
  const auto verdict = static_cast<std::uint32_t>(frame.return_value);
  if (exec::fate_of(type_, verdict) == exec::Fate::redirected) {
    if (const auto way = way_of(frame.results().redirect)) ++result_.redirects[*way];
  }
  for (const exec::FrameClone& clone : frame.results().clones) {
    if (const auto way = way_of(clone.redirect)) ++result_.clones[*way];
  }
}

// Events are read between batches: small ones lose none of them.
std::size_t EngineRun::frames_at_once() const {
  if (options_.offload.batch != 0) return std::max<std::size_t>(options_.offload.batch, kBatch);
  return session_->backend() == "opencl" && events_->empty() ? kOffloadBatch : kBatch;
}

Result<> EngineRun::stream(const Packets& packets, std::uint64_t first, std::uint64_t end, const FrameSink* sink,
                           const StopCheck& stop) {
  const std::size_t step = frames_at_once();
  for (std::uint64_t at = first; at < end && !result_.interrupted; at += step) {
    auto frames = make_batch(packets, at, std::min<std::uint64_t>(step, end - at));
    if (!frames) return std::unexpected(frames.error());
    if (auto ran = run_batch(*frames, sink); !ran) return ran;
    ask_to_stop(stop, frames->size());
  }
  return {};
}

Result<> EngineRun::run_frames(std::span<exec::Frame> frames, const FrameSink& sink, const StopCheck& stop) {
  result_.packets = frames.size();
  for (std::size_t at = 0; at < frames.size() && !result_.interrupted; at += kBatch) {
    const auto batch = frames.subspan(at, std::min(kBatch, frames.size() - at));
    if (auto ran = run_batch(batch, &sink); !ran) return ran;
    ask_to_stop(stop, batch.size());
  }
  return {};
}

Result<> EngineRun::run(const Packets& packets, const FrameSink& sink, const StopCheck& stop) {
  result_.packets += packets.size();
  for (const sim::CapturedPacket& packet : packets) result_.bytes += packet.bytes.size();
  auto done = stream(packets, 0, packets.size(), &sink, stop);
  return done ? stream(packets, packets.size(), packets.size() * options_.repeat, nullptr, stop) : done;
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
  result_.onward = onward_->answers();
  result_.metrics = session_->device().counters().metrics;
  result_.printk = trace_->lines;
  result_.printk_lost = trace_->lost;
  return result_;
}

}  // namespace forager::cli
