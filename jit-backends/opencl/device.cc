// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "exec/frame_layout.h"
#include "exec/host_helpers.h"
#include "exec/invocation.h"
#include "jit-backends/opencl/awake.h"
#include "jit-backends/opencl/build.h"
#include "jit-backends/opencl/results.h"
#include "jit-backends/opencl/staging_skb.h"
#include "jit-backends/opencl/tables_there.h"

namespace forager::jit::opencl {
namespace {

// Of one launch. Where something travels, more than one is on its way at a time; where nothing does, a launch is best
// that is large.
constexpr std::size_t kMostPackets = 16384, kMostTravellers = 4096;
constexpr std::size_t kMostBytes = std::size_t{16} << 20;  // of frames that travel
constexpr std::size_t kLeastPackets = 16;                  // whatever latency is asked for
constexpr unsigned kLaunches = 3;                          // one is filled, one runs, one is emptied
constexpr unsigned kGroup = 64, kGroupsOfUnit = 8;         // work-items of devices other than processors

class OpenclDevice final : public exec::Device {
 public:
  OpenclDevice(const exec::DeviceOptions& options, std::unique_ptr<Driver> driver)
      : options_(options),
        driver_(std::move(driver)),
        shared_(driver_->found().shares_memory && !options.offload.copies),
        tables_(shared_),
        random_state_(options.seed) {
    if (options_.environment == nullptr) options_.environment = &no_environment_;
    if (options_.offload.max_latency_us != 0) awake_.emplace();
    for (unsigned i = 0; i < kLaunches; ++i) launches_.emplace_back(shared_);
  }

  exec::DeviceInfo info() const override { return {"opencl", driver_->found().name}; }

  Result<> load(std::shared_ptr<const exec::Image> image) override {
    auto mine = std::dynamic_pointer_cast<const OpenclImage>(std::move(image));
    if (mine == nullptr) return fail(ErrorKind::bug, EINVAL, "an image of another backend was loaded");
    maps_.assign(mine->program().program().maps().size(), nullptr);
    image_ = std::move(mine);
    kernel_ = {};
    has_tables_ = false;
    return {};
  }

  Result<> bind(std::uint32_t index, std::shared_ptr<exec::Map> map) override {
    if (image_ == nullptr) return fail(ErrorKind::bug, EINVAL, "a map was bound before a program was loaded");
    if (index >= maps_.size()) return fail(ErrorKind::bug, EINVAL, "the program has no such map");
    if (auto fits = check_shape(program().program().maps()[index], map.get()); !fits) return fits;
    maps_[index] = std::move(map);
    kernel_ = {};
    return {};
  }

  Result<exec::RunReport> run(exec::PacketBatch batch) override {
    if (auto ready = make_ready(); !ready) return std::unexpected(std::move(ready.error()));
    exec::RunReport report{.packets = batch.size()};
    const std::uint64_t traps = counters_.traps;
    std::vector<std::uint32_t> left;
    Result<> ran;
    for (Frames frames(batch); ran && !frames.empty(); frames = Frames(batch, left)) {
      ran = tables_.put(*driver_, plan_.batch);
      if (ran) ran = run_until_stopped(batch, frames, left, report.busy_ns);
      if (ran) ran = tables_.take(*driver_);
    }
    if (ran) ran = keep_random();
    if (!ran) return std::unexpected(std::move(ran.error()));
    report.traps = counters_.traps - traps;
    return report;
  }

  exec::Counters counters() const override {
    exec::Counters all = counters_;
    const auto add = [&](const char* name, std::uint64_t value, const char* unit) {
      all.metrics.push_back({name, static_cast<double>(value), unit});
    };
    add("launches", launches_done_, "");
    add("largest_launch", largest_launch_, "packets");
    add("lanes", plan_.batch.lanes, "");
    add("stops_for_maps", stops_, "");
    add("copied_each_way", copied_, "bytes");
    return all;
  }

 private:
  [[nodiscard]] const verifier::VerifiedProgram& program() const { return image_->program(); }

  // ---- what a loaded program needs ----

  Result<> make_ready() {
    if (image_ == nullptr) return fail(ErrorKind::bug, EINVAL, "no program is loaded");
    const auto missing = std::ranges::find(maps_, nullptr);
    if (missing != maps_.end()) {
      const auto& of = program().program();
      return fail(ErrorKind::bug, EINVAL,
                  fmt::format("map {} of program {} is not bound",
                              of.maps()[static_cast<std::size_t>(missing - maps_.begin())].name, of.name()));
    }
    Result<> done;
    if (kernel_.get() == nullptr || changes_of(group_.maps) != group_.changes) done = make_kernel();
    if (done && (!has_tables_ || !tables_.fits())) done = make_tables();
    if (done && !has_run_) done = run_first();
    return done;
  }

  Result<> make_kernel() {
    auto group = group_of(*image_, maps_);
    if (!group) return std::unexpected(std::move(group.error()));
    group_ = std::move(*group);
    kernel_ = {};
    draws_random_ = group_.calls(exec::HelperId::get_prandom_u32);
    if (auto there = check_helpers(group_, *options_.environment); !there) return there;
    const unsigned lanes = lanes_in_use();
    const FrameUse use = group_.frame_use(shared_);
    plan_ = {.use = use,
             .batch = {.lanes = lanes, .cpu = options_.cpu, .strict = lanes == 1 ? 1U : 0U},
             .order = options_.order,
             .group = driver_->found().is_cpu ? 1 : kGroup};
    const std::string options = fmt::format("-cl-std=CL1.2 -w -DFG_SHARED={} -DFG_LANES={} -DFG_GROUP={}{}",
                                            shared_ ? 1 : 0, table_lanes(), plan_.group, use.direct ? parts() : "");
    auto built = build(*driver_, group_.source, options);
    if (!built) return std::unexpected(std::move(built.error()));
    built_ = std::move(*built);
    cl_int status = CL_SUCCESS;
    Kernel kernel(clCreateKernel(built_.binary.get(), "forager", &status));
    if (auto made = check("clCreateKernel", status); !made) return made;
    kernel_ = std::move(kernel);
    has_tables_ = false;
    has_run_ = false;
    ns_of_packet_ = 0;
    return {};
  }

  // No packets: some drivers finish a kernel when it runs first, which is part of loading it.
  Result<> run_first() {
    auto ran = tables_.put(*driver_, plan_.batch);
    if (ran) ran = launches_.front().send(*driver_, kernel_.get(), plan_, tables_.lasting(), {});
    if (ran) ran = launches_.front().wait(*driver_);
    has_run_ = ran.has_value();
    if (ran && !built_.from_cache) keep(built_);
    return ran;
  }

  // Of a frame, for kernels that find them themselves.
  static std::string parts() {
    const exec::FrameLayout& at = exec::FrameLayout::get();
    return fmt::format(
        " -DFG_DIRECT=1 -DFG_FRAME_SIZE={} -DFG_FRAME_CONTEXT={} -DFG_FRAME_RETURN={} -DFG_FRAME_BUFFER={} "
        "-DFG_FRAME_META={} -DFG_FRAME_DATA={} -DFG_FRAME_END={} -DFG_FRAME_PACKET_END={} -DFG_FRAME_RESERVE={} "
        "-DFG_FRAME_HEAD_LIMIT={} -DFG_FRAME_RESULTS={} -DFG_FRAME_REDIRECT_PORT={} -DFG_FRAME_REDIRECT_TYPE={}",
        at.size, at.context, at.return_value, at.buffer, at.data_meta, at.data, at.data_end, at.packet_end, at.reserve,
        at.head_limit, at.has_results, at.redirect_port, at.redirect_type);
  }

  Result<> make_tables() {
    auto made = tables_.open(*driver_, group_, options_, plan_.batch.lanes, table_lanes());
    if (made) made = tables_.seed(*driver_, random_state_);
    has_tables_ = made.has_value();
    return made;
  }

  // One is a CPU of per-CPU maps, of which there may be fewer.
  [[nodiscard]] unsigned lanes_in_use() const {
    if (group_.needs_one_lane() || (options_.order == exec::Order::packet && group_.needs_order())) return 1;
    const DeviceFound& found = driver_->found();
    const unsigned lanes = found.is_cpu ? found.units : found.units * kGroupsOfUnit * kGroup;
    const unsigned cpus = std::max(options_.environment->cpus, options_.cpu + 1) - options_.cpu;
    return has_lanes() ? std::min(lanes, cpus) : lanes;
  }
  [[nodiscard]] bool has_lanes() const { return std::ranges::any_of(group_.tables, &Table::per_cpu); }
  // Part of the source: the same for all where it makes no difference.
  [[nodiscard]] unsigned table_lanes() const { return has_lanes() ? plan_.batch.lanes : 1; }

  // A program that is loaded next goes on where this one was.
  Result<> keep_random() {
    if (!draws_random_) return {};
    auto state = tables_.seed_now(*driver_);
    if (!state) return std::unexpected(std::move(state.error()));
    random_state_ = *state;
    return {};
  }

  // ---- packets ----

  // Until none is left, or one stopped the others; those that did not run are left, by their numbers in the batch.
  Result<> run_until_stopped(exec::PacketBatch batch, Frames frames, std::vector<std::uint32_t>& left,
                             std::uint64_t& busy_ns) {
    std::vector<std::uint32_t> not_run;
    std::deque<Launch*> running;
    std::size_t next = 0, sent = 0;
    std::uint64_t since = exec::run_clock_ns();
    const auto leave = [&](const exec::Frame& frame) {
      not_run.push_back(static_cast<std::uint32_t>(&frame - batch.data()));
    };
    while (next < frames.size() || !running.empty()) {
      while (not_run.empty() && next < frames.size() && running.size() < kLaunches - 1) {
        const Frames part = frames.part(next, packets_of_launch(frames.from(next)));
        Launch& launch = launches_[sent++ % kLaunches];
        if (running.empty()) since = exec::run_clock_ns();
        tell_time();
        tell_surroundings();
        auto done = launch.send(*driver_, kernel_.get(), plan_, tables_.lasting(), part);
        if (!done) return abandon(std::move(done));
        running.push_back(&launch);
        note(launch);
        next += part.size();
      }
      Launch& first = *running.front();
      running.pop_front();
      auto done = collect(first, leave, since, busy_ns);
      if (!done) return abandon(std::move(done));
      if (!not_run.empty() && running.empty()) break;
    }
    stops_ += not_run.empty() ? 0 : 1;
    for (; next < frames.size(); ++next) leave(frames[next]);
    left = std::move(not_run);
    return {};
  }

  void note(const Launch& launch) {
    ++launches_done_;
    largest_launch_ = std::max<std::uint64_t>(largest_launch_, launch.frames().size());
    copied_ += launch.copied_bytes();
  }

  // No kernel runs any more when frames are somebody else's again.
  Result<> abandon(Result<> error) {
    std::ignore = driver_->finish();
    return error;
  }

  Result<> collect(Launch& launch, const auto& leave, std::uint64_t& since, std::uint64_t& busy_ns) {
    if (auto waited = launch.wait(*driver_); !waited) return waited;
    const std::uint64_t now = exec::run_clock_ns(), took = now - std::exchange(since, now);
    busy_ns += took;
    ns_of_packet_ = static_cast<double>(took) / static_cast<double>(launch.frames().size());
    ResultTaker taker(program(), options_, plan_.use, group_.maps);
    auto plain = launch.collect(*driver_, [&](std::size_t nth, const Returned& returned) {
      exec::Frame& frame = launch.frames()[nth];
      if (returned.done == kNotDone) return leave(frame);
      ++counters_.packets;
      frame.clear_results();
      if (!taker.take(frame, returned)) ++counters_.traps;
    });
    if (!plain) return std::unexpected(std::move(plain.error()));
    counters_.packets += *plain;
    return {};
  }

  void tell_time() {
    const exec::Environment& environment = *options_.environment;
    const auto now = [](const std::function<std::uint64_t()>& clock) { return clock ? clock() : 0; };
    plan_.batch.monotonic_ns = now(environment.monotonic_ns);
    plan_.batch.boot_ns = now(environment.boot_ns);
    plan_.batch.tai_ns = now(environment.tai_ns);
  }

  // Ports that there are (the loopback, the device's own, interfaces that the host knows of), and who runs.
  void tell_surroundings() {
    if (plan_.use.skb.asks_task && options_.environment->task) plan_.task = options_.environment->task();
    plan_.ports.clear();
    if (plan_.use.skb.clones == 0) return;
    plan_.ports.assign(options_.ports.begin(), options_.ports.end());
    plan_.ports.push_back(1);
    for (const exec::FibInterface& one : options_.environment->fib.interfaces) plan_.ports.push_back(one.ifindex);
  }

  [[nodiscard]] std::size_t packets_of_launch(Frames frames) const {
    const std::size_t most = std::min(frames.size(), most_packets());
    if (plan_.use.direct) return most;
    std::size_t packets = 0, bytes = 0;
    for (; packets < most; ++packets) {
      give_room(frames[packets], plan_.use.skb);
      bytes += staged_bytes(frames[packets], plan_.use);
      if (packets != 0 && bytes > kMostBytes) break;
    }
    return packets;
  }

  // As many as the last launch's pace lets through in the time that there is.
  [[nodiscard]] std::size_t most_packets() const {
    const std::size_t usual = plan_.use.direct ? kMostPackets : kMostTravellers;
    const std::size_t most = options_.offload.batch == 0 ? usual : options_.offload.batch;
    if (options_.offload.max_latency_us == 0) return most;
    const double in_time =
        ns_of_packet_ == 0 ? kLeastPackets : 1000.0 * options_.offload.max_latency_us / ns_of_packet_;
    return std::clamp(static_cast<std::size_t>(std::min(in_time, 1e9)), std::min(kLeastPackets, most), most);
  }

  exec::DeviceOptions options_;
  exec::Environment no_environment_;
  std::unique_ptr<Driver> driver_;
  bool shared_;
  std::shared_ptr<const OpenclImage> image_;
  Maps maps_;
  Group group_;
  Built built_;
  Kernel kernel_;
  LaunchPlan plan_;
  std::deque<Launch> launches_;
  TablesThere tables_;
  std::optional<Awake> awake_;
  bool has_tables_ = false, has_run_ = false, draws_random_ = false;
  double ns_of_packet_ = 0;  // of the last launch
  std::uint64_t random_state_;
  exec::Counters counters_;
  std::uint64_t launches_done_ = 0, largest_launch_ = 0, stops_ = 0, copied_ = 0;
};

}  // namespace

Result<std::unique_ptr<exec::Device>> make_device(const exec::DeviceOptions& options) {
  const auto found = choose_device(options.offload.device);
  if (!found) return std::unexpected(found.error());
  auto driver = Driver::open(**found);
  if (!driver) return std::unexpected(std::move(driver.error()));
  return std::make_unique<OpenclDevice>(options, std::move(*driver));
}

}  // namespace forager::jit::opencl
