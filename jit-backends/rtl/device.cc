// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/device.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "exec/invocation.h"
#include "exec/random.h"
#include "jit-backends/rtl/attendant.h"
#include "jit-backends/rtl/chip_memory.h"
#include "jit-backends/rtl/compile.h"
#include "jit-backends/rtl/counters.h"
#include "jit-backends/rtl/lockstep.h"
#include "jit-backends/rtl/meter.h"
#include "jit-backends/rtl/patience.h"
#include "jit-backends/rtl/scratch.h"
#include "jit-backends/rtl/wave_event.h"

namespace forager::jit::rtl {
namespace {

constexpr std::uint32_t kRun = 1, kSerial = 2, kAll = 4;
constexpr std::uint32_t kInjected = 0x80000000;  // of tags
constexpr std::size_t kManyPrograms = 32;
constexpr std::uint64_t kBudgetUnit = 1024;
constexpr std::uint32_t kNanosecondsACycle = 4;  // 250 MHz

// What a program finds there should it move the packet's head. The device makes it zeros.
bool has_empty_headroom(exec::Frame& frame) {
  return std::ranges::all_of(std::span(frame.buffer(), frame.data()),
                             [](std::byte one) { return one == std::byte{0}; });
}

// Whether the device's buffer has the frame's geometry.
bool is_native(exec::Frame& frame, isa::ProgType type) {
  const std::uint32_t bytes = frame.packet_end() - frame.data();
  return type == isa::ProgType::xdp && frame.capacity() == exec::kFrameBytes && frame.data() == exec::kHeadroom &&
         frame.data_meta() == frame.data() && frame.data_end() == frame.packet_end() && bytes != 0 &&
         bytes <= exec::kMaxLinearBytes && has_empty_headroom(frame);
}

// All maps of programs that tail calls may lead to.
std::set<const exec::Map*> reach_of_jumps(const exec::MapList& from) {
  std::set<const exec::Map*> reached, seen;
  std::vector<std::shared_ptr<exec::Map>> arrays(from);
  while (!arrays.empty()) {
    const auto array = std::move(arrays.back());
    arrays.pop_back();
    if (array == nullptr || array->abilities().programs == nullptr || !seen.insert(array.get()).second) continue;
    for (std::uint32_t key = 0; key < array->spec().max_entries; ++key) {
      const exec::ProgramSlot slot = array->abilities().programs->get(key);
      if (slot.maps == nullptr) continue;
      for (const auto& map : *slot.maps) reached.insert(map.get());
      arrays.insert(arrays.end(), slot.maps->begin(), slot.maps->end());
    }
  }
  return reached;
}

bool is_per_cpu(const program::MapSpec& map) { return isa::find_map(static_cast<std::uint32_t>(map.type))->per_cpu; }

std::uint32_t context_word(const exec::Frame& frame, std::size_t offset) {
  std::uint32_t value = 0;
  std::memcpy(&value, frame.context.data() + offset, sizeof value);
  return value;
}

class RtlDevice final : public exec::Device {
 public:
  RtlDevice(const exec::DeviceOptions& options, std::unique_ptr<sim::Board> board)
      : options_(options), own_(std::move(board)), board_(*own_), chip_(board_), loader_(board_, chip_) {
    loader_.set_options(compile_options());
  }

  exec::DeviceInfo info() const override { return {.backend = "rtl", .name = "RTL core in Verilator"}; }

  Result<> load(std::shared_ptr<const exec::Image> image) override {
    auto mine = std::dynamic_pointer_cast<const RtlImage>(image);
    if (mine == nullptr) return fail(ErrorKind::bug, EINVAL, "the RTL device was given another backend's image");
    if (failed_) return std::unexpected(*failed_);
    if (auto known = look(); !known) return known;
    if (options_.simulation.plain || mine->code().chip.room != geometry_.room()) {
      auto made = compile(mine->shared_program(), compile_options(), Maps::on_chip, geometry_.room());
      if (!made) return std::unexpected(std::move(made.error()));
      mine = std::move(*made);
    }
    if (lockstep_ != nullptr && mine->program().program().type() != isa::ProgType::xdp)
      return fail(ErrorKind::unsupported, EOPNOTSUPP, "--lockstep compares XDP programs only");
    attendant_->set_program(mine->shared_program());
    if (lockstep_ != nullptr) lockstep_->set_program(mine->shared_program());
    maps_.assign(mine->program().program().maps().size(), nullptr);
    image_ = std::move(mine);
    loaded_ = false;
    return {};
  }

  Result<> bind(std::uint32_t index, std::shared_ptr<exec::Map> map) override {
    if (image_ == nullptr) return fail(ErrorKind::bug, EINVAL, "a map was bound before a program was loaded");
    auto bound = attendant_->bind(index, map);
    if (bound && lockstep_ != nullptr) bound = lockstep_->bind(index, map);
    if (bound) maps_[index] = std::move(map);
    loaded_ = false;
    return bound;
  }

  Result<exec::RunReport> run(exec::PacketBatch batch) override {
    if (failed_) return std::unexpected(*failed_);
    if (auto ready = make_ready(); !ready) return std::unexpected(std::move(ready.error()));
    const std::uint64_t begin = exec::run_clock_ns();
    const std::uint64_t traps = counters_.traps;
    Result<> ran = set_time();
    if (ran) ran = take_inner_maps();
    if (ran) ran = lend_random();
    if (ran) ran = chip_.upload();
    if (ran) ran = device_counters_.begin(board_);
    if (!ran) return std::unexpected(std::move(ran.error()));
    meter_.begin(board_.cycle());
    ran = run_all(batch);
    meter_.end(board_.cycle(), attendant_->delegated());
    if (lockstep_ == nullptr) image_->note(profile_.costs());
    if (ran) ran = device_counters_.end(board_);
    if (ran) ran = chip_.download();
    if (ran) ran = take_random();
    if (!ran) return std::unexpected(give_up(std::move(ran.error())));
    return exec::RunReport{
        .packets = batch.size(), .traps = counters_.traps - traps, .busy_ns = exec::run_clock_ns() - begin};
  }

  exec::Counters counters() const override {
    exec::Counters all = counters_;
    all.metrics = meter_.metrics();
    if (!all.metrics.empty()) std::ranges::move(device_counters_.metrics(), std::back_inserter(all.metrics));
    if (lockstep_ == nullptr) return all;
    all.metrics.push_back({"lockstep_compared", static_cast<double>(lockstep_->compared()), "results"});
    all.metrics.push_back({"lockstep_incomplete", static_cast<double>(lockstep_->incomplete()), "packets"});
    return all;
  }

 private:
  // What the device is, once.
  Result<> look() {
    if (attendant_ != nullptr) return {};
    const auto known = geometry_of(board_);
    if (!known) return std::unexpected(known.error());
    geometry_ = *known;
    if (options_.simulation.threads > geometry_.threads) {
      auto error = fail(ErrorKind::limit, EINVAL, "the device has fewer hardware threads");
      error.error().limit = geometry_.threads;
      error.error().asked = options_.simulation.threads;
      return error;
    }
    if (auto traced = begin_wave(); !traced) return traced;
    if (auto seeded = seed_threads(); !seeded) return seeded;
    attendant_ = std::make_unique<Attendant>(board_, loader_, chip_, geometry_, options_);
    if (!options_.simulation.lockstep) {
      board_.observe(profile_);
      return {};
    }
    lockstep_ = std::make_unique<Lockstep>(options_, loader_);
    attendant_->watch(*lockstep_);
    board_.observe(*lockstep_);
    return {};
  }

  Result<> begin_wave() {
    const exec::Simulation& asked = options_.simulation;
    auto event = parse_wave_event(asked.wave_on);
    if (!event) return std::unexpected(std::move(event.error()));
    wave_event_ = *event;
    if (asked.wave.empty()) return {};
    const bool all = wave_event_.kind == WaveEvent::Kind::none && !asked.lockstep;
    return board_.trace_to(asked.wave, all ? 0 : std::max(asked.wave_before, 1U));
  }
  // Bundles of the instruction that is waited for; of the next, should another have taken it in.
  void watch_instruction() {
    if (wave_event_.kind != WaveEvent::Kind::pc) return;
    const auto& instructions = image_->code().instructions;
    std::uint64_t nearest = UINT64_MAX;
    for (const std::uint32_t of : instructions) {
      if (of >= wave_event_.number) nearest = std::min<std::uint64_t>(nearest, of);
    }
    std::vector<bool> bundles;
    bundles.reserve(instructions.size());
    for (const std::uint32_t of : instructions) bundles.push_back(of == nearest);
    board_.keep_trace_at(std::move(bundles), options_.simulation.wave_after);
  }

  // Where threads have their random states.
  std::uint32_t random_row(std::uint32_t thread) const {
    return geometry_.scratch_row + (thread * kScratchBytesOfThread + kRandomInThread) / sim::kRowBytes;
  }
  Result<> seed(std::uint32_t thread, std::uint64_t state) {
    std::array<std::byte, sim::kRowBytes> row{};
    std::memcpy(row.data(), &state, sizeof state);
    return board_.write_rows(random_row(thread), row);
  }
  Result<> seed_threads() {
    std::uint64_t state = options_.seed;
    Result<> done;
    for (std::uint32_t thread = 0; done && thread < geometry_.threads; ++thread) {
      done = seed(thread, state);
      std::ignore = exec::next_random(state);
      state = ~state;
    }
    return done;
  }
  // The first thread's random numbers go on where the host's were, whatever program made those, and the other way
  // round.
  Result<> lend_random() { return image_->code().chip.random ? seed(0, attendant_->random_state()) : Result<>{}; }
  Result<> take_random() {
    if (!image_->code().chip.random) return {};
    std::array<std::byte, sim::kRowBytes> row{};
    if (auto read = board_.read_rows(random_row(0), row); !read) return read;
    std::memcpy(&attendant_->random_state(), row.data(), sizeof(std::uint64_t));
    return {};
  }

  Result<> make_ready() {
    if (image_ == nullptr) return fail(ErrorKind::bug, EINVAL, "no program is loaded");
    const auto missing = std::ranges::find(maps_, nullptr);
    if (missing != maps_.end()) {
      const auto& program = image_->program().program();
      return fail(ErrorKind::bug, EINVAL,
                  fmt::format("map {} of program {} is not bound",
                              program.maps()[static_cast<std::size_t>(missing - maps_.begin())].name, program.name()));
    }
    if (auto left = leave_maps(); !left) return left;
    if (loaded_ && loader_.programs() <= kManyPrograms) return {};
    attendant_->forget_targets();
    if (auto put = loader_.load(image_, attendant_->unit()); !put) return put;
    loaded_ = true;
    profile_.begin(image_->code().bundles.size());
    watch_instruction();
    return configure();
  }

  // A map that programs reach which this one may jump to is the host's, for that is where they look for it; so is one
  // that the program has by two names. Tables are laid out for the maps that the program was verified with.
  Result<> leave_maps() {
    const ChipPlan& plan = image_->code().chip;
    if (!are_as_planned(plan, image_->program().program(), maps_)) return recompile(Maps::on_host);
    const bool jumps = std::ranges::any_of(plan.maps, &ChipMap::programs);
    const auto reached = jumps ? reach_of_jumps(maps_) : std::set<const exec::Map*>{};
    const bool shared = std::ranges::any_of(plan.maps, [&](const ChipMap& map) {
      const auto& host = maps_[map.index];
      return !map.programs && (reached.contains(host.get()) || std::ranges::count(maps_, host) > 1);
    });
    return shared ? recompile(Maps::programs) : Result<>{};
  }

  // Maps of maps whose maps have no room are the host's, as all are then.
  Result<> take_inner_maps() {
    const auto taken = chip_.take_inner();
    if (!taken) return std::unexpected(taken.error());
    if (*taken) return {};
    if (auto image = recompile(Maps::on_host); !image) return image;
    return make_ready();
  }
  [[nodiscard]] exec::CompileOptions compile_options() const {
    return {.passes_off = options_.simulation.plain ? UINT32_MAX : 0};
  }
  Result<> recompile(Maps maps) {
    auto image = compile(image_->shared_program(), compile_options(), maps, geometry_.room());
    if (!image) return std::unexpected(std::move(image.error()));
    image_ = std::move(*image);
    loaded_ = false;
    return {};
  }

  Result<> configure() {
    const bool serial = options_.order != exec::Order::none && needs_order(image_->program());
    const unsigned threads = threads_in_use(serial);
    meter_.set_threads(threads);
    const ChipPlace place = {.row = geometry_.map_row,
                             .descriptors = geometry_.map_row - kMapsInTable,
                             .loader = &loader_,
                             .cpu = options_.cpu,
                             .threads = threads,
                             .seed = static_cast<std::uint32_t>(options_.seed)};
    if (auto placed = chip_.load(image_->code().chip, maps_, image_->program().map_uses(),
                                 attendant_->unit().first_region, place);
        !placed) {
      return placed;
    }
    const std::pair<CoreRegister, std::uint64_t> values[] = {
        {CoreRegister::Entry, 0},
        {CoreRegister::Cpu, options_.cpu},
        {CoreRegister::LongEntry, image_->code().long_entry},
        {CoreRegister::LongBytes, image_->code().long_bytes},
        {CoreRegister::ClearRows, image_->code().cleared_rows},
        {CoreRegister::ClearFrames, image_->code().frames},
        {CoreRegister::Budget, budget_units()},
        {CoreRegister::Control, kRun | kAll | (serial ? kSerial : 0) | std::uint64_t{threads} << 8},
    };
    for (const auto& [which, value] : values) {
      if (auto written = board_.write(offset_of(which), static_cast<std::uint32_t>(value)); !written) return written;
    }
    return {};
  }

  // A budget that the device counts in fewer bits than the host is never none, which it takes for any number.
  std::uint64_t budget_units() const {
    constexpr std::uint64_t kMost = (1U << 22) - 1;
    const std::uint64_t asked = options_.instruction_budget;
    return std::clamp<std::uint64_t>(asked / kBudgetUnit + (asked % kBudgetUnit != 0 ? 1 : 0), 1, kMost);
  }

  // The device's time goes on from the host's, by its own clock; where that stands (in tests, or because there is
  // none), it stands too.
  Result<> set_time() {
    const bool has_clock = options_.environment != nullptr && options_.environment->monotonic_ns;
    const std::uint64_t now = has_clock ? options_.environment->monotonic_ns() : 0;
    const bool goes_on = has_clock && options_.environment->monotonic_ns() != now;
    Result<> done = board_.write(offset_of(CoreRegister::TimeStep), goes_on ? kNanosecondsACycle : 0);
    if (done) done = board_.write(offset_of(CoreRegister::Time) + 4, static_cast<std::uint32_t>(now >> 32));
    if (done) done = board_.write(offset_of(CoreRegister::Time), static_cast<std::uint32_t>(now));
    return done;
  }

  // Each is a CPU of per-CPU maps, of which there may be fewer.
  unsigned threads_in_use(bool serial) const {
    if (serial) return 1;
    const auto has_cpus = [](const program::MapSpec& map) {
      return is_per_cpu(map) || (map.inner != nullptr && is_per_cpu(*map.inner));
    };
    const bool per_cpu =
        std::ranges::any_of(image_->program().program().maps(), has_cpus) ||
        std::ranges::any_of(reach_of_jumps(maps_), [&](const exec::Map* map) { return has_cpus(map->spec()); });
    const unsigned cpus = options_.environment == nullptr ? 1 : options_.environment->cpus;
    const unsigned asked = options_.simulation.threads == 0 ? geometry_.threads : options_.simulation.threads;
    return per_cpu ? std::min(asked, cpus > options_.cpu ? cpus - options_.cpu : 1) : asked;
  }

  // Packets of the batch may still be in the device; their frames are gone when it gives them back.
  Diagnostic give_up(Diagnostic why) {
    attendant_->abandon();
    failed_ = why;
    failed_->message = "the device failed before: " + why.message;
    return why;
  }

  Result<> run_all(exec::PacketBatch batch) {
    std::size_t given = 0, done = 0;
    patience_.begin(board_.cycle(), budget_units() * kBudgetUnit * geometry_.slots);
    while (done < batch.size()) {
      while (given < batch.size() && given - done < geometry_.slots) {
        const auto sent = give(batch[given]);
        if (!sent) return std::unexpected(sent.error());
        if (!*sent) break;
        if (wave_event_.is(WaveEvent::Kind::packet, counters_.packets + given - done)) board_.keep_trace(UINT32_MAX);
        ++given;
      }
      board_.step();
      if (auto hoped = patience_.look(board_); !hoped) return hoped;
      if (board_.interrupt()) {
        const std::uint64_t asked = board_.cycle();
        if (auto served = attendant_->serve(); !served) return served;
        patience_.served(asked, board_.cycle());
      }
      while (auto departure = board_.receive()) {
        if (auto finished = attendant_->finish(*departure); !finished) return finished;
        const bool shown = wave_event_.is(WaveEvent::Kind::packet, counters_.packets) ||
                           wave_event_.is(WaveEvent::Kind::verdict, batch[done].return_value);
        if (shown) {
          board_.keep_trace(options_.simulation.wave_after);
          wave_event_ = {};
        }
        if (lockstep_ != nullptr) {
          if (const auto found = lockstep_->finish(batch[done], departure->cause)) return diverged(batch[done], *found);
        }
        meter_.packet(departure->ended - departure->came);
        counters_.traps += batch[done].results().trap != nullptr ? 1 : 0;
        ++done;
        ++counters_.packets;
        patience_.departed(board_.cycle());
      }
    }
    return {};
  }

  // The waveform ends soon after the difference was found.
  Result<> diverged(const exec::Frame& frame, const Lockstep::Difference& found) {
    const exec::Simulation& asked = options_.simulation;
    std::string wave;
    if (!asked.wave.empty() && asked.wave_on.empty()) {
      board_.keep_trace(asked.wave_after);
      for (unsigned i = 0; i < asked.wave_after; ++i) board_.step();
      wave = fmt::format("; waveform: {}", asked.wave);
    }
    return fail(ErrorKind::bug, EIO, fmt::format("lockstep: packet {}: {}{}", frame.id, found.message, wave));
  }

  // False: not yet, for what goes to the port must keep its place before what the host keeps.
  Result<bool> give(exec::Frame& frame) {
    if (is_native(frame, image_->program().program().type())) {
      const auto packet = frame.packet();
      attendant_->expect(next_on_port_++, frame, true);
      if (lockstep_ != nullptr) lockstep_->expect(frame, true);
      board_.send({.bytes = {packet.begin(), packet.end()},
                   .port = context_word(frame, offsetof(xdp_md, ingress_ifindex)),
                   .queue = context_word(frame, offsetof(xdp_md, rx_queue_index))});
      return true;
    }
    if (board_.unsent() != 0) return false;
    const std::uint32_t tag = kInjected | next_injected_++;
    attendant_->expect(tag, frame, false);
    if (lockstep_ != nullptr) lockstep_->expect(frame, false);
    if (auto injected = board_.write(offset_of(CoreRegister::Inject), tag); !injected)
      return std::unexpected(injected.error());
    return true;
  }

  exec::DeviceOptions options_;
  std::unique_ptr<sim::Board> own_;
  sim::Board& board_;
  ChipMemory chip_;
  Loader loader_;
  Geometry geometry_;
  std::unique_ptr<Attendant> attendant_;
  std::unique_ptr<Lockstep> lockstep_;  // null: not asked for
  std::shared_ptr<const RtlImage> image_;
  std::vector<std::shared_ptr<exec::Map>> maps_;
  bool loaded_ = false;
  std::uint32_t next_on_port_ = 0, next_injected_ = 0;
  exec::Counters counters_;
  Profile profile_;
  Meter meter_;
  Patience patience_;
  std::optional<Diagnostic> failed_;  // why it takes no more batches
  DeviceCounters device_counters_;
  WaveEvent wave_event_;
};

}  // namespace

Result<std::unique_ptr<exec::Device>> make_device(const exec::DeviceOptions& options) {
  const std::string& asked = options.simulation.configuration;
  const auto& known = sim::configurations();
  if (!asked.empty() && std::ranges::find(known, asked) == known.end())
    return fail(ErrorKind::input, EINVAL,
                fmt::format("no configuration {} of the device: there are {}", asked, fmt::join(known, ", ")));
  const exec::Simulation& line = options.simulation;
  return make_device(options,
                     std::make_unique<sim::Board>(
                         asked, sim::Line{.gap = line.gap, .back_pressure = line.back_pressure, .seed = options.seed}));
}

std::unique_ptr<exec::Device> make_device(const exec::DeviceOptions& options, std::unique_ptr<sim::Board> board) {
  return std::make_unique<RtlDevice>(options, std::move(board));
}

}  // namespace forager::jit::rtl
