// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/linux/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "exec/skb.h"
#include "exec/verdict.h"

namespace forager::jit::linux_kernel {
namespace {

constexpr std::size_t kOutputBytes = std::size_t{128} * 1024;  // helpers make packets larger
constexpr std::size_t kPaddedBytes = 64;                       // the dummy packet of a raw-memory run
constexpr int kInterruptedAttempts = 8;

std::unexpected<Diagnostic> out_of_range(std::size_t asked, std::size_t most = kMaxPacketBytes) {
  const bool small = asked < kMinPacketBytes;
  const std::size_t limit = small ? kMinPacketBytes : most;
  auto failure =
      fail(ErrorKind::limit, EINVAL,
           fmt::format("the kernel's test run takes no packet of {} than {} bytes", small ? "less" : "more", limit));
  failure.error().limit = limit;
  failure.error().asked = asked;
  return failure;
}

// Metadata that the program left goes in front of the packet again.
Result<> take_output(exec::Frame& frame, std::span<const std::byte> out, std::size_t meta, std::size_t fragments) {
  if (auto done = frame.assign(out.subspan(meta), out.size() - meta - fragments); !done) return done;
  if (meta == 0 || frame.adjust_meta(-static_cast<std::int32_t>(meta)) != 0) return {};
  std::memcpy(frame.buffer() + frame.data_meta(), out.data(), meta);
  return {};
}

// Whether the kernel's test run takes this packet of the stack.
Result<> check_skb(const exec::Frame& frame, std::span<const std::byte> packet) {
  if (packet.size() < exec::kMinSkbBytes || packet.size() > exec::kMaxSkbBytes) return out_of_range(packet.size());
  if (frame.data_end() != frame.packet_end()) {
    return fail(ErrorKind::unsupported, EOPNOTSUPP, "the kernel's test run makes no non-linear packets of the stack");
  }
  if (exec::has_network_header(packet)) return {};
  return fail(ErrorKind::limit, EINVAL, "the kernel's test run takes no IP packet without a whole header");
}

__sk_buff skb_context(const exec::Frame& frame) {
  __sk_buff context{};
  for (const exec::SkbField& field : exec::skb_user_fields()) {
    std::memcpy(reinterpret_cast<std::byte*>(&context) + field.offset, frame.context.data() + field.offset, field.size);
  }
  return context;
}

Result<> take_skb(exec::Frame& frame, std::span<const std::byte> out, const __sk_buff& context) {
  const std::size_t old = frame.packet().size();
  if (out.size() > old && !exec::skb_reserve(frame, 0, out.size() - old)) {
    return fail(ErrorKind::limit, E2BIG, "the kernel's packet does not fit a frame");
  }
  exec::skb_set_length(frame, static_cast<std::uint32_t>(out.size()));
  std::ranges::copy(out, frame.packet().begin());
  for (const exec::SkbField& field : exec::skb_user_fields()) {
    if (field.offset == offsetof(__sk_buff, gso_size)) continue;
    std::memcpy(frame.context.data() + field.offset, reinterpret_cast<const std::byte*>(&context) + field.offset,
                field.size);
  }
  return {};
}

exec::MapSpec array_of_one(const char* name, std::uint32_t value_bytes) {
  return {.type = isa::MapType::array, .key_size = 4, .value_size = value_bytes, .max_entries = 1, .name = name};
}

}  // namespace

KernelDevice::KernelDevice(const exec::DeviceOptions& options) : options_(options), output_(kOutputBytes) {
  lanes_.host = options.environment != nullptr ? options.environment->cpus : 1;
  lanes_.kernel = possible_cpus();
  lanes_.pinned = lowest_cpu();
}

Result<> KernelDevice::start() {
  if (auto started = worker_.start(lanes_.pinned); !started) return started;
  const exec::FibTable* table = options_.environment != nullptr ? &options_.environment->fib : nullptr;
  return worker_.call([&] { return set_up_network(table, options_.ports); });
}

Result<> KernelDevice::set_up_network(const exec::FibTable* table, const std::vector<std::uint32_t>& ports) {
  if (auto entered = network_.enter(); !entered) return entered;
  if (table != nullptr) {
    if (auto installed = network_.install(*table); !installed) return installed;
  }
  for (const std::uint32_t port : ports) {
    if (auto made = network_.ensure_port(port); !made) return made;
  }
  return {};
}

exec::DeviceInfo KernelDevice::info() const { return {.backend = "linux", .name = machine_name()}; }

isa::ProgType KernelDevice::type() const { return slot_.program->program().type(); }
bool KernelDevice::is_raw() const { return type() == isa::ProgType::raw_memory; }

void KernelDevice::reset() {
  program_.reset();
  raw_.clear();
  session_.reset();
}

Result<> KernelDevice::load(std::shared_ptr<const exec::Image> image) {
  if (image == nullptr || image->backend() != "linux") {
    return fail(ErrorKind::input, EINVAL, "the linux device runs images of the linux backend only");
  }
  reset();
  maps_ = std::make_shared<exec::MapList>(image->program().program().maps().size());
  slot_ = {.program = {image, &image->program()}, .maps = maps_};
  return {};
}

Result<> KernelDevice::bind(std::uint32_t index, std::shared_ptr<exec::Map> map) {
  if (maps_ == nullptr || index >= maps_->size() || map == nullptr) {
    return fail(ErrorKind::input, EINVAL, fmt::format("there is no map {} to bind", index));
  }
  if ((*maps_)[index] == map) return {};
  reset();
  (*maps_)[index] = std::move(map);
  return {};
}

Result<exec::RunReport> KernelDevice::run(exec::PacketBatch batch) {
  exec::RunReport report;
  auto done = worker_.call([&]() -> Result<> {
    if (auto ready = prepare(); !ready) return ready;
    if (auto ran = run_frames(batch, report); !ran) return ran;
    return session_->pull();
  });
  counters_.packets += report.packets;
  counters_.traps += report.traps;
  if (!done) return std::unexpected(std::move(done.error()));
  return report;
}

Result<> KernelDevice::check_device_value(std::span<const std::byte> value) {
  std::uint32_t ifindex = 0;
  std::memcpy(&ifindex, value.data(), std::min(value.size(), sizeof(ifindex)));
  return network_.ensure_port(ifindex);
}

Result<> KernelDevice::prepare() {
  if (slot_.program == nullptr) return fail(ErrorKind::input, EINVAL, "no program is loaded into the device");
  if (session_ != nullptr && session_->stale()) reset();
  if (session_ == nullptr) {
    session_ = std::make_unique<Session>(
        lanes_, [this](std::span<const std::byte> value) { return check_device_value(value); });
  }
  if (!is_raw() && program_ == nullptr) {
    auto loaded = session_->load(slot_);
    if (!loaded) return std::unexpected(std::move(loaded.error()));
    program_ = std::move(*loaded);
  }
  return session_->push();
}

// What is wrong with one frame traps that frame; what is wrong with the device or the program ends the run.
Result<> KernelDevice::run_frames(exec::PacketBatch batch, exec::RunReport& report) {
  for (exec::Frame& frame : batch) {
    frame.clear_results();
    auto nanoseconds = run_frame(frame);
    session_->drain();
    ++report.packets;
    if (nanoseconds) {
      report.busy_ns += *nanoseconds;
    } else if (nanoseconds.error().kind == ErrorKind::rejected) {
      return std::unexpected(std::move(nanoseconds.error()));
    } else {
      ++report.traps;
      frame.return_value = exec::safe_verdict(type());
      frame.change_results().trap = std::make_unique<Diagnostic>(std::move(nanoseconds.error()));
    }
  }
  return {};
}

Result<std::uint64_t> KernelDevice::run_frame(exec::Frame& frame) {
  if (is_raw()) return run_raw(frame);
  return exec::sees_skb(type()) ? run_skb(frame) : run_xdp(frame);
}

// The test run of a frame's packet and context. A context without an interface means loopback, the kernel's default.
Result<TestRun> KernelDevice::describe(const exec::Frame& frame) {
  const std::size_t bytes = frame.packet().size();
  const std::size_t meta = frame.data() - frame.data_meta();
  const std::size_t fragments = frame.packet_end() - frame.data_end();
  const std::size_t linear = bytes + meta - fragments;
  if (bytes < kMinPacketBytes || linear > kMaxPacketBytes) return out_of_range(linear);
  if (fragments > kMaxFragmentBytes) return out_of_range(bytes + meta, linear + kMaxFragmentBytes);
  xdp_md context;
  std::memcpy(&context, frame.context.data(), sizeof(context));
  if (auto port = network_.ensure_port(context.ingress_ifindex); !port) {
    return std::unexpected(std::move(port.error()));
  }
  return TestRun{.in = {frame.packet().data() - meta, bytes + meta},
                 .out = output_,
                 .in_meta = static_cast<std::uint32_t>(meta),
                 .in_fragments = static_cast<std::uint32_t>(fragments),
                 .ingress_ifindex = context.ingress_ifindex,
                 .rx_queue = context.rx_queue_index,
                 .egress_ifindex = context.egress_ifindex};
}

Result<> KernelDevice::test_run(const Fd& program, TestRun& run) {
  int error = -EINTR;
  for (int i = 0; i < kInterruptedAttempts && error == -EINTR; ++i) error = linux_kernel::run_xdp(program, run);
  if (error == 0) return {};
  return refused(
      fmt::format("test-run {} bytes from interface {}, queue {}", run.in.size(), run.ingress_ifindex, run.rx_queue),
      "bpf", error);
}

Result<std::uint64_t> KernelDevice::run_xdp(exec::Frame& frame) {
  auto run = describe(frame);
  if (!run) return std::unexpected(std::move(run.error()));
  if (auto done = test_run(*program_, *run); !done) return std::unexpected(std::move(done.error()));
  frame.return_value = run->return_value;
  auto taken = take_output(frame, std::span(output_).first(run->out_bytes), run->out_meta, run->out_fragments);
  if (!taken) return std::unexpected(std::move(taken.error()));
  return run->nanoseconds;
}

Result<SkbTestRun> KernelDevice::test_run_skb(const exec::Frame& frame, std::uint32_t repeat) {
  const std::uint32_t link_bytes = exec::sees_link_header(type()) ? 0 : exec::kMinSkbBytes;
  if (frame.skb == nullptr) return fail(ErrorKind::bug, EINVAL, "the frame is none of a program of the stack");
  const std::size_t bytes = frame.packet().size() + link_bytes;
  const std::span<const std::byte> packet(frame.packet().data() - link_bytes, bytes);
  if (auto fits = check_skb(frame, packet); !fits) return std::unexpected(std::move(fits.error()));
  const auto context = skb_context(frame);
  if (auto port = network_.ensure_port(context.ifindex); !port) return std::unexpected(std::move(port.error()));
  SkbTestRun run{.in = packet, .out = output_, .context = context, .repeat = repeat};
  int error = -EINTR;
  for (int i = 0; i < kInterruptedAttempts && error == -EINTR; ++i) {
    run.context = context;
    error = linux_kernel::run_skb(*program_, run);
  }
  if (error != 0) return refused(fmt::format("test-run {} bytes", bytes), "bpf", error);
  return run;
}

Result<std::uint64_t> KernelDevice::run_skb(exec::Frame& frame) {
  auto run = test_run_skb(frame, 1);
  if (!run) return std::unexpected(std::move(run.error()));
  frame.return_value = run->return_value;
  const std::size_t link_bytes = exec::sees_link_header(type()) ? 0 : exec::kMinSkbBytes;
  auto taken = take_skb(frame, std::span(output_).first(run->out_bytes).subspan(link_bytes), run->context);
  if (!taken) return std::unexpected(std::move(taken.error()));
  return run->nanoseconds;
}

Result<std::uint64_t> KernelDevice::measure_skb(const exec::Frame& frame, std::uint32_t repeat) {
  auto run = test_run_skb(frame, repeat);
  if (!run) return std::unexpected(std::move(run.error()));
  return run->nanoseconds;
}

Result<std::uint64_t> KernelDevice::run_raw(exec::Frame& frame) {
  const auto memory = frame.packet();
  auto raw = raw_program(static_cast<std::uint32_t>(memory.size()));
  if (!raw) return std::unexpected(std::move(raw.error()));
  const std::uint32_t key = 0;
  int error = memory.empty() ? 0 : map_update((*raw)->memory, &key, memory.data());
  if (error != 0) return refused("copy the program's memory to the kernel", "bpf", error);
  const std::vector<std::byte> packet(kPaddedBytes);
  TestRun run{.in = packet, .out = output_};
  if (auto done = test_run((*raw)->program, run); !done) return std::unexpected(std::move(done.error()));
  error = map_lookup((*raw)->result, &key, &frame.return_value);
  if (error == 0 && !memory.empty()) error = map_lookup((*raw)->memory, &key, memory.data());
  if (error != 0) return refused("copy the program's result from the kernel", "bpf", error);
  return run.nanoseconds;
}

Result<KernelDevice::RawProgram*> KernelDevice::raw_program(std::uint32_t memory_bytes) {
  if (const auto known = raw_.find(memory_bytes); known != raw_.end()) return &known->second;
  RawProgram made;
  auto result = create_map(array_of_one("result", sizeof(std::uint64_t)));
  if (!result) return std::unexpected(std::move(result.error()));
  made.result = std::move(*result);
  if (memory_bytes != 0) {
    auto memory = create_map(array_of_one("memory", memory_bytes));
    if (!memory) return std::unexpected(std::move(memory.error()));
    made.memory = std::move(*memory);
  }
  auto program = session_->load_raw(
      slot_, {.memory = made.memory.get(), .memory_bytes = memory_bytes, .result = made.result.get()});
  if (!program) return std::unexpected(std::move(program.error()));
  made.program = std::move(*program);
  return &raw_.emplace(memory_bytes, std::move(made)).first->second;
}

Result<std::uint64_t> KernelDevice::measure_xdp(const exec::Frame& frame, std::uint32_t repeat) {
  auto run = describe(frame);
  if (!run) return std::unexpected(std::move(run.error()));
  run->repeat = repeat;
  if (auto ran = test_run(*program_, *run); !ran) return std::unexpected(std::move(ran.error()));
  return run->nanoseconds;
}

Result<std::uint64_t> KernelDevice::measure(const exec::Frame& frame, std::uint32_t repeat) {
  std::uint64_t nanoseconds = 0;
  auto done = worker_.call([&]() -> Result<> {
    if (auto ready = prepare(); !ready) return ready;
    if (is_raw()) return fail(ErrorKind::unsupported, ENOTSUP, "raw-memory programs are not measured in the kernel");
    auto measured = exec::sees_skb(type()) ? measure_skb(frame, repeat) : measure_xdp(frame, repeat);
    if (!measured) return std::unexpected(std::move(measured.error()));
    nanoseconds = *measured;
    session_->drain();
    return session_->pull();
  });
  if (!done) return std::unexpected(std::move(done.error()));
  return nanoseconds;
}

}  // namespace forager::jit::linux_kernel
