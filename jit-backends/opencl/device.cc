// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "exec/host_helpers.h"
#include "exec/invocation.h"
#include "exec/random.h"
#include "jit-backends/opencl/build.h"
#include "jit-backends/opencl/mirror.h"
#include "jit-backends/opencl/refusals.h"
#include "jit-backends/opencl/staging.h"

namespace forager::jit::opencl {
namespace {

constexpr std::size_t kMostPackets = 4096;                 // of one launch
constexpr std::size_t kMostBytes = std::size_t{16} << 20;  // ... and bytes of their frames
constexpr unsigned kGroup = 64, kGroupsOfUnit = 8;         // work-items of devices other than processors

class OpenclDevice final : public exec::Device {
 public:
  OpenclDevice(const exec::DeviceOptions& options, std::unique_ptr<Driver> driver)
      : options_(options), driver_(std::move(driver)), random_state_(options.seed) {
    if (options_.environment == nullptr) options_.environment = &no_environment_;
  }

  exec::DeviceInfo info() const override { return {"opencl", driver_->found().name}; }

  Result<> load(std::shared_ptr<const exec::Image> image) override {
    auto mine = std::dynamic_pointer_cast<const OpenclImage>(std::move(image));
    if (mine == nullptr) return fail(ErrorKind::bug, EINVAL, "an image of another backend was loaded");
    maps_.assign(mine->program().program().maps().size(), nullptr);
    image_ = std::move(mine);
    kernel_ = {};
    return {};
  }

  Result<> bind(std::uint32_t index, std::shared_ptr<exec::Map> map) override {
    if (image_ == nullptr) return fail(ErrorKind::bug, EINVAL, "a map was bound before a program was loaded");
    if (index >= maps_.size()) return fail(ErrorKind::bug, EINVAL, "the program has no such map");
    // Tables in the kernel are of the size that the program was verified with.
    const program::MapSpec& planned = program().program().maps()[index];
    if (map->spec().max_entries != planned.max_entries) {
      auto error = fail(ErrorKind::unsupported, EOPNOTSUPP,
                        fmt::format("map {} has another number of entries than the program was verified with, which an "
                                    "OpenCL kernel does not take",
                                    planned.name));
      error.error().limit = planned.max_entries;
      error.error().asked = map->spec().max_entries;
      return error;
    }
    maps_[index] = std::move(map);
    mirrors_.clear();
    return {};
  }

  Result<exec::RunReport> run(exec::PacketBatch batch) override {
    if (auto ready = make_ready(); !ready) return std::unexpected(std::move(ready.error()));
    exec::RunReport report{.packets = batch.size()};
    const std::uint64_t traps = counters_.traps;
    Result<> ran = put_maps();
    while (ran && !batch.empty()) {
      const std::size_t packets = packets_of_launch(batch);
      ran = launch(batch.first(packets), report.busy_ns);
      batch = batch.subspan(packets);
    }
    if (ran) ran = take_maps();
    if (!ran) return std::unexpected(std::move(ran.error()));
    report.traps = counters_.traps - traps;
    return report;
  }

  exec::Counters counters() const override { return counters_; }

 private:
  [[nodiscard]] const verifier::VerifiedProgram& program() const { return image_->program(); }
  [[nodiscard]] const std::vector<Table>& tables() const { return image_->source().tables; }

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
    if (kernel_.get() == nullptr) done = make_kernel();
    if (done && mirrors_.empty()) done = make_mirrors();
    return done;
  }

  // Redirects are carried out by the host's own helpers.
  Result<> check_helpers() {
    for (const exec::HelperId helper : {exec::HelperId::redirect, exec::HelperId::redirect_map}) {
      const auto id = static_cast<std::size_t>(helper);
      const auto helpers = options_.environment->helpers;
      const bool there = id < helpers.size() && helpers[id] != nullptr;
      if (calls(program(), helper) && !there)
        return fail(ErrorKind::bug, EINVAL, "the host has no helper for redirects");
    }
    return {};
  }

  Result<> make_kernel() {
    if (auto there = check_helpers(); !there) return there;
    use_ = {.moves_edges = moves_edges(program()), .is_xdp = program().program().type() == isa::ProgType::xdp};
    lanes_ = lanes_in_use();
    const std::string options = fmt::format("-cl-std=CL1.2 -w -DFG_LANES={} -DFG_GROUP={}", table_lanes(), group());
    auto built = build(*driver_, *image_, options);
    if (!built) return std::unexpected(std::move(built.error()));
    binary_ = std::move(built->binary);
    cl_int status = CL_SUCCESS;
    Kernel kernel(clCreateKernel(binary_.get(), "forager", &status));
    if (auto made = check("clCreateKernel", status); !made) return made;
    kernel_ = std::move(kernel);
    mirrors_.clear();
    return seed_lanes();
  }

  [[nodiscard]] unsigned group() const { return driver_->found().is_cpu ? 1 : kGroup; }

  // One is a CPU of per-CPU maps, of which there may be fewer.
  [[nodiscard]] unsigned lanes_in_use() const {
    if (needs_one_lane(program()) || (options_.order != exec::Order::none && needs_order(program()))) return 1;
    const DeviceFound& found = driver_->found();
    const unsigned lanes = found.is_cpu ? found.units : found.units * kGroupsOfUnit * kGroup;
    const unsigned cpus = std::max(options_.environment->cpus, options_.cpu + 1) - options_.cpu;
    return has_lanes() ? std::min(lanes, cpus) : lanes;
  }
  [[nodiscard]] bool has_lanes() const { return std::ranges::any_of(tables(), &Table::per_cpu); }
  // Part of the source: the same for all where it makes no difference.
  [[nodiscard]] unsigned table_lanes() const { return has_lanes() ? lanes_ : 1; }

  // The first lane goes on where the device's last program was.
  Result<> seed_lanes() {
    const std::size_t bytes = lanes_ * sizeof(std::uint64_t);
    if (auto reserved = random_.reserve(*driver_, bytes); !reserved) return reserved;
    auto states = random_.map(*driver_, CL_MAP_WRITE, bytes);
    if (!states) return std::unexpected(std::move(states.error()));
    std::uint64_t state = random_state_;
    for (unsigned lane = 0; lane < lanes_; ++lane) {
      std::memcpy(states->data() + lane * sizeof state, &state, sizeof state);
      std::ignore = exec::next_random(state);
      state = ~state;
    }
    return random_.unmap(*driver_);
  }

  Result<> keep_random() {
    if (!calls(program(), exec::HelperId::get_prandom_u32)) return {};
    auto states = random_.map(*driver_, CL_MAP_READ, sizeof random_state_);
    if (!states) return std::unexpected(std::move(states.error()));
    std::memcpy(&random_state_, states->data(), sizeof random_state_);
    return random_.unmap(*driver_);
  }

  // ---- maps ----

  Result<> make_mirrors() {
    map_bytes_ = 0;
    for (std::size_t i = 0; i < maps_.size(); ++i) {
      mirrors_.push_back(make_mirror(tables()[i], *maps_[i], use_of(i)));
      map_bytes_ += tables()[i].bytes_for(table_lanes());
    }
    if (map_bytes_ <= UINT32_MAX) return table_memory_.reserve(*driver_, std::max<std::size_t>(map_bytes_, 64));
    auto error = fail(ErrorKind::limit, E2BIG, "maps in device memory, in bytes");
    error.error().limit = UINT32_MAX;
    error.error().asked = map_bytes_;
    return error;
  }

  [[nodiscard]] MirrorUse use_of(std::size_t map) const {
    return {.cpu = options_.cpu, .lanes = table_lanes(), .merge = merge_of(program(), static_cast<std::uint32_t>(map))};
  }

  template <class Do>
  Result<> with_tables(cl_map_flags how, Do action) {
    if (map_bytes_ == 0) return {};
    auto memory = table_memory_.map(*driver_, how, map_bytes_);
    if (!memory) return std::unexpected(std::move(memory.error()));
    std::size_t at = 0;
    for (std::size_t i = 0; i < mirrors_.size(); ++i) {
      const std::size_t bytes = tables()[i].bytes_for(table_lanes());
      if (mirrors_[i] != nullptr) action(i, memory->subspan(at, bytes));
      at += bytes;
    }
    return table_memory_.unmap(*driver_);
  }

  Result<> put_maps() {
    return with_tables(CL_MAP_WRITE, [&](std::size_t i, std::span<std::byte> table) { mirrors_[i]->put(table); });
  }

  Result<> take_maps() {
    if (auto kept = keep_random(); !kept) return kept;
    const auto uses = program().map_uses();
    const auto changes = [](verifier::MapUse use) {
      return use == verifier::MapUse::commutative || use == verifier::MapUse::read_write;
    };
    if (std::ranges::none_of(uses, changes)) return {};
    return with_tables(CL_MAP_READ, [&](std::size_t i, std::span<std::byte> table) {
      if (changes(uses[i])) mirrors_[i]->take(table);
    });
  }

  // ---- packets ----

  [[nodiscard]] std::size_t packets_of_launch(exec::PacketBatch batch) const {
    std::size_t packets = 0, bytes = 0;
    for (const exec::Frame& frame : batch) {
      bytes += staged_bytes(frame, use_);
      if (packets != 0 && (packets == kMostPackets || bytes > kMostBytes)) break;
      ++packets;
    }
    return packets;
  }

  Result<> launch(exec::PacketBatch frames, std::uint64_t& busy_ns) {
    Result<> done = stage_all(frames);
    if (done) done = tell_batch(frames.size());
    const std::uint64_t begin = exec::run_clock_ns();
    if (done) done = enqueue();
    busy_ns += exec::run_clock_ns() - begin;
    return done ? take_all(frames) : done;
  }

  Result<> stage_all(exec::PacketBatch frames) {
    std::size_t bytes = 0;
    for (const exec::Frame& frame : frames) bytes += staged_bytes(frame, use_);
    packet_bytes_ = std::max<std::size_t>(bytes, 64);
    record_bytes_ = frames.size() * sizeof(PacketRecord);
    Result<> done = packets_.reserve(*driver_, packet_bytes_);
    if (done) done = records_.reserve(*driver_, record_bytes_);
    if (!done) return done;
    auto packets = packets_.map(*driver_, CL_MAP_WRITE, packet_bytes_);
    if (!packets) return std::unexpected(std::move(packets.error()));
    auto records = records_.map(*driver_, CL_MAP_WRITE, record_bytes_);
    if (!records) return std::unexpected(std::move(records.error()));
    std::size_t at = 0;
    for (std::size_t i = 0; i < frames.size(); ++i) {
      PacketRecord record;
      stage(frames[i], use_, at, *packets, record);
      std::memcpy(records->data() + i * sizeof record, &record, sizeof record);
      at += staged_bytes(frames[i], use_);
    }
    done = packets_.unmap(*driver_);
    return done ? records_.unmap(*driver_) : done;
  }

  static std::uint64_t now(const std::function<std::uint64_t()>& clock) { return clock ? clock() : 0; }

  Result<> tell_batch(std::size_t packets) {
    const exec::Environment& environment = *options_.environment;
    const BatchRecord batch{.monotonic_ns = now(environment.monotonic_ns),
                            .boot_ns = now(environment.boot_ns),
                            .tai_ns = now(environment.tai_ns),
                            .count = static_cast<std::uint32_t>(packets),
                            .lanes = lanes_,
                            .cpu = options_.cpu};
    if (auto reserved = batch_.reserve(*driver_, sizeof batch); !reserved) return reserved;
    auto to = batch_.map(*driver_, CL_MAP_WRITE, sizeof batch);
    if (!to) return std::unexpected(std::move(to.error()));
    std::memcpy(to->data(), &batch, sizeof batch);
    return batch_.unmap(*driver_);
  }

  Result<> enqueue() {
    const Buffer* const arguments[] = {&packets_, &records_, &table_memory_, &random_, &batch_};
    for (cl_uint i = 0; i < std::size(arguments); ++i) {
      const auto* memory = static_cast<const void*>(&arguments[i]->memory());
      if (auto set = check("clSetKernelArg", clSetKernelArg(kernel_.get(), i, sizeof(cl_mem), memory)); !set)
        return set;
    }
    const std::size_t local = group(), global = (lanes_ + local - 1) / local * local;
    const cl_int status =
        clEnqueueNDRangeKernel(driver_->queue(), kernel_.get(), 1, nullptr, &global, &local, 0, nullptr, nullptr);
    if (auto sent = check("clEnqueueNDRangeKernel", status); !sent) return sent;
    return driver_->finish();
  }

  Result<> take_all(exec::PacketBatch frames) {
    auto packets = packets_.map(*driver_, CL_MAP_READ, packet_bytes_);
    if (!packets) return std::unexpected(std::move(packets.error()));
    auto records = records_.map(*driver_, CL_MAP_READ, record_bytes_);
    if (!records) return std::unexpected(std::move(records.error()));
    for (std::size_t i = 0; i < frames.size(); ++i) {
      PacketRecord record;
      std::memcpy(&record, records->data() + i * sizeof record, sizeof record);
      finish(frames[i], *packets, record);
    }
    if (auto done = packets_.unmap(*driver_); !done) return done;
    return records_.unmap(*driver_);
  }

  void finish(exec::Frame& frame, std::span<const std::byte> packets, const PacketRecord& record) {
    exec::clear_results(frame);
    auto trap = record.trap == 0 ? nullptr : reason(record);
    if (!unstage(frame, use_, packets, record) && trap == nullptr) trap = nonsense();
    counters_.traps += trap == nullptr ? 0 : 1;
    ++counters_.packets;
    const bool ended = trap == nullptr;
    exec::set_results(frame, program().program().type(), record.r0, std::move(trap));
    if (ended) redirect(frame, record);
  }

  [[nodiscard]] std::unique_ptr<Diagnostic> reason(const PacketRecord& record) const {
    auto trap =
        std::make_unique<Diagnostic>(Diagnostic{.kind = ErrorKind::rejected,
                                                .error = EACCES,
                                                .message = "access outside the memory that the program was given"});
    const program::Program& of = program().program();
    if (record.trap_at < of.instructions().size()) {
      trap->instruction = of.instructions()[record.trap_at].slot;
      trap->source = of.source_line(record.trap_at);
    }
    return trap;
  }
  static std::unique_ptr<Diagnostic> nonsense() {
    return std::make_unique<Diagnostic>(Diagnostic{
        .kind = ErrorKind::bug, .error = EIO, .message = "the device tells of a packet that does not fit its frame"});
  }

  // What the program asked for last, by the host's own helper: it knows programs of entries, and broadcasts.
  void redirect(exec::Frame& frame, const PacketRecord& record) {
    using exec::HelperId;
    exec::RunContext context{.environment = options_.environment,
                             .frame = &frame,
                             .program = &program(),
                             .cpu = options_.cpu,
                             .ports = options_.ports};
    const bool by_map = record.redirect == kRedirectMap;
    if (record.redirect == 0 || (by_map && record.redirect_map >= maps_.size())) return;
    const auto id = static_cast<std::size_t>(by_map ? HelperId::redirect_map : HelperId::redirect);
    const auto helpers = options_.environment->helpers;
    const auto map = by_map ? reinterpret_cast<std::uint64_t>(maps_[record.redirect_map].get()) : 0;
    if (by_map) {
      helpers[id](context, map, record.redirect_key, record.redirect_flags, 0, 0);
    } else {
      helpers[id](context, record.redirect_key, 0, 0, 0, 0);
    }
  }

  exec::DeviceOptions options_;
  exec::Environment no_environment_;
  std::unique_ptr<Driver> driver_;
  std::shared_ptr<const OpenclImage> image_;
  std::vector<std::shared_ptr<exec::Map>> maps_;
  std::vector<std::unique_ptr<Mirror>> mirrors_;
  Binary binary_;
  Kernel kernel_;
  FrameUse use_;
  unsigned lanes_ = 1;
  Buffer packets_, records_, table_memory_, random_, batch_;
  std::size_t packet_bytes_ = 0, record_bytes_ = 0, map_bytes_ = 0;
  std::uint64_t random_state_;
  exec::Counters counters_;
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
