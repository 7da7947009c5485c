// SPDX-License-Identifier: Apache-2.0
#include "sim/board/board.h"

#include <fmt/format.h>
#include <verilated.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <fstream>

#include "sim/board/model.h"
#include "sim/board/wave.h"

namespace forager::sim {
namespace {

constexpr std::uint32_t kDataMemory = 1U << 28;  // forager_dma.sv
constexpr std::size_t kBurst = 256;              // beats
constexpr std::size_t kMostDeparting = 1 << 16;  // bytes that are kept of a packet which does not end

// xorshift64*: enough for gaps.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed | 1) {}
  [[nodiscard]] bool of_256(unsigned chance) {
    if (chance == 0) return false;
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return (state_ * 0x2545f4914f6cdd1dULL >> 56) < chance;
  }

 private:
  std::uint64_t state_;
};

template <class Wide>
std::uint64_t bits(const Wide& wide, unsigned from, unsigned count) {
  std::uint64_t value = 0;
  for (unsigned done = 0; done < count; done += 32 - (from + done) % 32) {
    value |= std::uint64_t{wide[(from + done) / 32] >> (from + done) % 32} << done;
  }
  return count == 64 ? value : value & ((std::uint64_t{1} << count) - 1);
}

}  // namespace

struct Board::Parts {
  VerilatedContext context;
  std::unique_ptr<Model> device;
  Ports model;
  std::unique_ptr<Wave> wave;
  std::vector<bool> watched;  // bundles
  std::uint64_t watched_after = 0;
  std::uint64_t cycle = 0;
  bool driven = false;  // an input is not as it was

  Line line;
  Chance chance;
  std::deque<Arrival> arrivals;
  std::size_t sent = 0;  // bytes of the first
  bool offered = false;
  std::deque<Departure> departures;
  Departure departing;
  Observer* observer = nullptr;  // null: nobody

  Parts(std::string_view configuration, const Line& of)
      : device(traceable(configuration, context)), model(device->ports()), line(of), chance(of.seed) {
    reset();
  }
  // Models ask when they are made whether they may be traced.
  static std::unique_ptr<Model> traceable(std::string_view configuration, VerilatedContext& context) {
    context.traceEverOn(true);
    return make_model(configuration, context);
  }
  ~Parts() {
    wave.reset();
    device->final();
  }

  void reset() {
    model.rst_i = 1;
    driven = true;
    for (int i = 0; i < 4; ++i) {
      settle();
      edge();
    }
    model.rst_i = 0;
    driven = true;
    cycle = 0;
  }

  // To the middle of a cycle: what is combinational has settled for the inputs of now. Most evaluations have no new
  // ones.
  void settle() {
    model.clk_i = 0;
    model.apply_i = driven ? 1 : 0;
    driven = false;
    device->eval();
  }
  // The clock's edge; settle() was called since the last.
  void edge() {
    if (wave != nullptr) dump_wave();
    model.clk_i = 1;
    model.apply_i = 0;
    device->eval();
    if (wave != nullptr) wave->dump(cycle, true);
    ++cycle;
  }

  void dump_wave() {
    const bool event = model.trace_valid_o != 0 && model.trace_pc_o < watched.size() && watched[model.trace_pc_o];
    if (event) {
      wave->keep(cycle, watched_after);
      watched.clear();
    }
    wave->dump(cycle, false);
  }

  // A beat stands there until it is taken.
  void offer_beat() {
    if (offered) return;
    offered = !arrivals.empty() && !chance.of_256(line.gap);
    driven |= offered || model.s_axis_tvalid != 0;
    model.s_axis_tvalid = offered ? 1 : 0;
    if (offered) drive_beat();
  }
  void drive_beat() {
    const Arrival& frame = arrivals.front();
    const std::size_t left = frame.bytes.size() - sent, bytes = std::min(left, kRowBytes);
    std::array<std::uint32_t, kRowBytes / 4> beat{};
    std::memcpy(beat.data(), frame.bytes.data() + sent, bytes);
    for (std::size_t i = 0; i < beat.size(); ++i) model.s_axis_tdata[i] = beat[i];
    model.s_axis_tkeep = bytes == kRowBytes ? ~std::uint64_t{0} : (std::uint64_t{1} << bytes) - 1;
    model.s_axis_tlast = left <= kRowBytes ? 1 : 0;
    const auto length =
        static_cast<std::uint32_t>(frame.announced ? std::min<std::size_t>(frame.bytes.size(), 0xffff) : 0);
    model.s_axis_tuser[0] = length | frame.port << 16;
    model.s_axis_tuser[1] = frame.port >> 16 | frame.queue << 16;
    model.s_axis_tuser[2] = frame.queue >> 16;
  }

  void take_beat() {
    offered = false;
    sent += kRowBytes;
    if (sent < arrivals.front().bytes.size()) return;
    arrivals.pop_front();
    sent = 0;
  }

  void collect_beat() {
    if (model.m_axis_tvalid == 0 || model.m_axis_tready == 0) return;
    std::array<std::uint32_t, kRowBytes / 4> beat{};
    for (std::size_t i = 0; i < beat.size(); ++i) beat[i] = model.m_axis_tdata[i];
    const auto* bytes = reinterpret_cast<const std::byte*>(beat.data());
    if (departing.bytes.size() < kMostDeparting)
      departing.bytes.insert(departing.bytes.end(), bytes, bytes + std::popcount(std::uint64_t{model.m_axis_tkeep}));
    if (model.m_axis_tlast == 0) return;
    const auto& user = model.m_axis_tuser;
    departing.tag = static_cast<std::uint32_t>(bits(user, 0, 32));
    departing.value = bits(user, 32, 64);
    departing.cause = static_cast<std::uint8_t>(bits(user, 96, 4));
    departing.pc = static_cast<std::uint16_t>(bits(user, 100, 16));
    departing.meta = static_cast<std::uint16_t>(bits(user, 116, 13));
    departing.data = static_cast<std::uint16_t>(bits(user, 129, 13));
    departing.end = static_cast<std::uint16_t>(bits(user, 142, 13));
    departing.came = static_cast<std::uint32_t>(bits(user, 155, 32));
    departing.ended = static_cast<std::uint32_t>(bits(user, 187, 32));
    departing.redirect = {.kind = static_cast<Redirection::Kind>(bits(user, 219, 2)),
                          .map = static_cast<std::uint8_t>(bits(user, 221, 6)),
                          .value = static_cast<std::uint32_t>(bits(user, 227, 29))};
    departures.push_back(std::move(departing));
    departing = {};
  }

  // The line's side of a cycle: first what it drives, then what it sees at the clock's edge.
  void drive() {
    offer_beat();
    const CData ready = chance.of_256(line.back_pressure) ? 0 : 1;
    driven |= ready != model.m_axis_tready;
    model.m_axis_tready = ready;
    settle();
  }
  [[nodiscard]] std::optional<Retired> retired() const {
    if (model.trace_valid_o == 0) return std::nullopt;
    Retired made{.thread = model.trace_thread_o, .pc = model.trace_pc_o};
    for (unsigned lane = 0; lane < 2; ++lane) {
      made.writes[lane] = (model.trace_write_o >> lane & 1) != 0;
      made.registers[lane] = model.trace_register_o >> 4 * lane & 0xf;
      made.values[lane] = bits(model.trace_value_o, 64 * lane, 64);
    }
    return made;
  }
  // A bundle leaves the pipeline no later than its thread begins anew.
  void show() const {
    if (observer == nullptr) return;
    if (const auto bundle = retired()) observer->retired(*bundle, cycle);
    if (model.trace_start_o != 0) observer->started(model.trace_start_thread_o, cycle);
  }

  void clock() {
    show();
    const bool taken = offered && model.s_axis_tready != 0;
    collect_beat();
    edge();
    if (taken) take_beat();
  }

  // Steps until `done`, which is asked when everything has settled, just before the clock's edge. The host drives its
  // inputs before and after.
  template <class Done>
  Result<> step_until(std::string_view what, Done done) {
    bool now = false;
    driven = true;
    for (unsigned i = 0; !now && i < kPatience; ++i) {
      drive();
      now = done();
      clock();
    }
    driven = true;
    if (now) return {};
    return fail(ErrorKind::bug, EIO,
                fmt::format("the device does not answer: {} took more than {} cycles", what, kPatience));
  }
};

Board::Board(std::string_view configuration, const Line& line) : parts_(std::make_unique<Parts>(configuration, line)) {}
Board::~Board() = default;

void Board::step() {
  parts_->drive();
  parts_->clock();
}
std::uint64_t Board::cycle() const { return parts_->cycle; }
bool Board::interrupt() const { return parts_->model.interrupt_o != 0; }

Result<std::uint32_t> Board::read(std::uint32_t offset) {
  auto& model = parts_->model;
  model.s_axil_araddr = offset;
  model.s_axil_arvalid = 1;
  auto asked = parts_->step_until("a register's address", [&] { return model.s_axil_arready != 0; });
  model.s_axil_arvalid = 0;
  if (!asked) return std::unexpected(asked.error());
  std::uint32_t value = 0;
  unsigned response = 0;
  model.s_axil_rready = 1;
  auto answered = parts_->step_until("a register", [&] {
    value = model.s_axil_rdata;
    response = model.s_axil_rresp;
    return model.s_axil_rvalid != 0;
  });
  model.s_axil_rready = 0;
  if (!answered) return std::unexpected(answered.error());
  if (response != 0) return fail(ErrorKind::input, EINVAL, fmt::format("the device has no register at {:#x}", offset));
  return value;
}

Result<> Board::write(std::uint32_t offset, std::uint32_t value) {
  auto& model = parts_->model;
  model.s_axil_awaddr = offset;
  model.s_axil_wdata = value;
  model.s_axil_awvalid = model.s_axil_wvalid = 1;
  auto taken = parts_->step_until("a register's value", [&] { return model.s_axil_awready != 0; });
  model.s_axil_awvalid = model.s_axil_wvalid = 0;
  if (!taken) return taken;
  unsigned response = 0;
  model.s_axil_bready = 1;
  auto answered = parts_->step_until("a register's response", [&] {
    response = model.s_axil_bresp;
    return model.s_axil_bvalid != 0;
  });
  model.s_axil_bready = 0;
  if (!answered) return answered;
  if (response != 0) return fail(ErrorKind::input, EINVAL, fmt::format("the device has no register at {:#x}", offset));
  return {};
}

namespace {

// One write transaction of whole beats, which `put` fills.
template <class Parts, class Put>
Result<> write_beats(Parts& parts, std::uint32_t address, std::size_t beats, Put put) {
  auto& model = parts.model;
  model.s_axi_awaddr = address;
  model.s_axi_awvalid = 1;
  auto taken = parts.step_until("a write address", [&] { return model.s_axi_awready != 0; });
  model.s_axi_awvalid = 0;
  model.s_axi_wstrb = ~std::uint64_t{0};
  for (std::size_t i = 0; taken && i < beats; ++i) {
    put(i, model.s_axi_wdata);
    model.s_axi_wvalid = 1;
    model.s_axi_wlast = i + 1 == beats ? 1 : 0;
    taken = parts.step_until("a beat", [&] { return model.s_axi_wready != 0; });
  }
  model.s_axi_wvalid = 0;
  if (!taken) return taken;
  model.s_axi_bready = 1;
  auto answered = parts.step_until("a write response", [&] { return model.s_axi_bvalid != 0; });
  model.s_axi_bready = 0;
  return answered;
}

}  // namespace

Result<> Board::write_bundles(std::uint32_t first, std::span<const BundleWords> bundles) {
  return write_beats(*parts_, first * kRowBytes, bundles.size(), [&](std::size_t i, auto& beat) {
    for (std::size_t word = 0; word < 16; ++word) beat[word] = word < bundles[i].size() ? bundles[i][word] : 0;
  });
}

Result<> Board::write_rows(std::uint32_t first, std::span<const std::byte> rows) {
  return write_beats(*parts_, kDataMemory | first * kRowBytes, rows.size() / kRowBytes, [&](std::size_t i, auto& beat) {
    std::array<std::uint32_t, 16> words{};
    std::memcpy(words.data(), rows.data() + i * kRowBytes, kRowBytes);
    for (std::size_t word = 0; word < words.size(); ++word) beat[word] = words[word];
  });
}

Result<> Board::read_rows(std::uint32_t first, std::span<std::byte> rows) {
  auto& model = parts_->model;
  const std::size_t count = rows.size() / kRowBytes;
  for (std::size_t done = 0; done < count;) {
    const std::size_t beats = std::min(count - done, kBurst);
    model.s_axi_araddr = kDataMemory | static_cast<std::uint32_t>((first + done) * kRowBytes);
    model.s_axi_arlen = static_cast<std::uint8_t>(beats - 1);
    model.s_axi_arvalid = 1;
    auto taken = parts_->step_until("a read address", [&] { return model.s_axi_arready != 0; });
    model.s_axi_arvalid = 0;
    model.s_axi_rready = 1;
    for (std::size_t i = 0; taken && i < beats; ++i, ++done) {
      std::array<std::uint32_t, 16> words{};
      taken = parts_->step_until("a row", [&] {
        for (std::size_t word = 0; word < words.size(); ++word) words[word] = model.s_axi_rdata[word];
        return model.s_axi_rvalid != 0;
      });
      std::memcpy(rows.data() + done * kRowBytes, words.data(), kRowBytes);
    }
    model.s_axi_rready = 0;
    if (!taken) return taken;
  }
  return {};
}

void Board::send(Arrival arrival) { parts_->arrivals.push_back(std::move(arrival)); }
std::size_t Board::unsent() const { return parts_->arrivals.size(); }

std::optional<Departure> Board::receive() {
  if (parts_->departures.empty()) return std::nullopt;
  Departure first = std::move(parts_->departures.front());
  parts_->departures.pop_front();
  return first;
}

std::optional<Retired> Board::retired() const { return parts_->retired(); }
void Board::observe(Observer& observer) { parts_->observer = &observer; }

Result<> Board::trace_to(const std::string& path, std::uint64_t before) {
  if (!std::ofstream(path)) return fail(ErrorKind::input, errno, fmt::format("{}: cannot be written", path));
  // An event may never come: then there is no file.
  if (before != 0) std::remove(path.c_str());
  parts_->wave = std::make_unique<Wave>(*parts_->device, path, before);
  return {};
}

void Board::end_trace() { parts_->wave.reset(); }

void Board::keep_trace(std::uint64_t after) {
  if (parts_->wave != nullptr) parts_->wave->keep(parts_->cycle, after);
}

void Board::keep_trace_at(std::vector<bool> bundles, std::uint64_t after) {
  parts_->watched = std::move(bundles);
  parts_->watched_after = after;
}

}  // namespace forager::sim
