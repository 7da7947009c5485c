// SPDX-License-Identifier: Apache-2.0
#include "tests/rtl/frame_path_rig.h"

#include <algorithm>
#include <cstring>

namespace forager::rtl {
namespace {

constexpr std::uint64_t kPass = 2, kTx = 3, kRedirect = 4;
constexpr unsigned kQuietCycles = 2000;  // longer than any wait

std::uint64_t keep_of(std::size_t bytes) { return bytes >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bytes) - 1; }

// A field of tuser, which is words of 32 bits.
template <class Wide>
std::uint64_t field(const Wide& wide, unsigned at, unsigned bits) {
  std::uint64_t out = 0;
  for (unsigned i = 0; i < bits; ++i) out |= std::uint64_t{wide[(at + i) / 32] >> (at + i) % 32 & 1} << i;
  return out;
}

template <class Wide>
void put_field(Wide& wide, unsigned at, unsigned bits, std::uint64_t value) {
  for (unsigned i = 0; i < bits; ++i) {
    const std::uint32_t bit = 1U << (at + i) % 32;
    wide[(at + i) / 32] = (wide[(at + i) / 32] & ~bit) | ((value >> i & 1) != 0 ? bit : 0);
  }
}

bool forwarded(const Done& done) {
  return done.cause == 0 && (done.value == kPass || done.value == kTx || done.value == kRedirect);
}

}  // namespace

FramePath::FramePath(std::uint64_t seed, Pace pace, bool all) : random_(seed), pace_(pace), all_(all) {
  device_.reset();
  device_.all_i = all ? 1 : 0;
}

void FramePath::send(Sent sent, Done done) {
  const std::uint32_t tag = frames_++;
  Source source;
  for (std::size_t at = 0; at < sent.bytes.size() || at == 0; at += 64) {
    const std::size_t bytes = std::min<std::size_t>(64, sent.bytes.size() - at);
    Beat beat = {.data = {},
                 .keep = keep_of(bytes),
                 .last = at + 64 >= sent.bytes.size(),
                 .announced = sent.announced,
                 .port = sent.port,
                 .queue = sent.queue};
    if (bytes != 0) std::memcpy(beat.data.data(), &sent.bytes[at], bytes);
    for (std::size_t i = bytes; i < 64; ++i) beat.data[i] = static_cast<std::uint8_t>(random_());
    source.beats.push_back(beat);
  }
  Beat& any = source.beats[random_() % source.beats.size()];
  if (sent.fault == Fault::hole) any.keep = 0xffff'0000'ffff'ffff;
  if (sent.fault == Fault::short_beat) source.beats.front().keep = 0xff;
  if (sent.fault == Fault::empty_beat) any.keep = 0;
  sources_.push_back(std::move(source));

  const bool good = sent.fault == Fault::none && !sent.bytes.empty() && sent.bytes.size() <= kMaxFrame;
  if (good) expect(sent.bytes, tag, done);
  waiting_.push_back({.injected = false, .good = good, .sent = std::move(sent), .done = done});
}

// What stands in front of a frame when it comes is zero here: nobody writes there.
void FramePath::expect(Bytes bytes, std::uint32_t tag, const Done& done) {
  const int front = all_ ? done.move_meta : done.move_data;
  if (front > 0) bytes.erase(bytes.begin(), bytes.begin() + front);
  if (front < 0) bytes.insert(bytes.begin(), static_cast<std::size_t>(-front), 0);
  bytes.erase(bytes.end() - done.cut_end, bytes.end());
  const bool leaves = all_ || (forwarded(done) && !bytes.empty());
  if (leaves) expected_.push_back({.bytes = std::move(bytes), .tag = tag, .value = done.value, .cause = done.cause});
}

void FramePath::inject(std::uint32_t tag, Done done) {
  sources_.push_back({.beats = {}, .tag = tag});
  if (all_) expected_.push_back({.bytes = {}, .tag = tag, .value = done.value, .cause = done.cause});
  waiting_.push_back({.injected = true, .good = true, .sent = {}, .done = done});
}

bool FramePath::moving() const {
  return !sources_.empty() || device_.waiting_o != 0 || device_.m_tvalid_o != 0 ||
         std::ranges::any_of(threads_, [](const auto& thread) { return thread.has_value(); });
}

bool FramePath::run() {
  for (quiet_ = 0; quiet_ < kQuietCycles; ++quiet_) cycle();
  return !moving() && received_.size() == expected_.size();
}

void FramePath::cycle() {
  ++device_.cycle_i;
  device_.busy_i = chance(pace_.busy) ? 1 : 0;
  device_.taken_i = chance(pace_.busy) ? 1 : 0;
  device_.m_tready_i = chance(pace_.stall) ? 0 : 1;
  drive_port();
  drive_inject();
  drive_threads();
  device_.settle();
  receive();
  oversize_ += device_.oversize_o;
  malformed_ += device_.malformed_o;
  packets_ += device_.packet_o;
  traps_ += device_.trap_o;
  const bool accepted = device_.s_tvalid_i != 0 && device_.s_tready_o != 0;
  const bool injected = device_.inject_i != 0 && device_.inject_ready_o != 0;
  device_.tick();
  if (accepted) {
    sources_.front().beats.pop_front();
    device_.s_tvalid_i = 0;
  }
  if (injected || (accepted && sources_.front().beats.empty())) sources_.pop_front();
  if (accepted || injected) quiet_ = 0;
}

// A beat that is offered stays until it is taken.
void FramePath::drive_port() {
  if (device_.s_tvalid_i != 0 || sources_.empty() || sources_.front().tag || chance(pace_.gap)) return;
  const Beat& beat = sources_.front().beats.front();
  device_.s_tvalid_i = 1;
  device_.s_tlast_i = beat.last ? 1 : 0;
  device_.s_tkeep_i = beat.keep;
  std::memcpy(&device_.s_tdata_i[0], beat.data.data(), 64);
  put_field(device_.s_tuser_i, 0, 16, beat.announced);
  put_field(device_.s_tuser_i, 16, 32, beat.port);
  put_field(device_.s_tuser_i, 48, 32, beat.queue);
}

void FramePath::drive_inject() {
  device_.inject_i = !sources_.empty() && sources_.front().tag && device_.s_tvalid_i == 0 ? 1 : 0;
  if (device_.inject_i != 0) device_.inject_tag_i = *sources_.front().tag;
}

void FramePath::drive_threads() {
  device_.skip_i = device_.begin_i = device_.finish_i = device_.set_i = 0;
  device_.settle();
  if (device_.waiting_o != 0) begin_next();
  const unsigned thread = random_() % threads_.size();
  const bool begins = device_.begin_i != 0 && device_.begin_thread_i == thread;
  if (threads_[thread] && !begins) work(thread);
}

// What is bad is not given to a thread, unless it turned out to be bad only after its begin.
void FramePath::begin_next() {
  if (device_.waiting_bad_o != 0) {
    device_.skip_i = 1;
    if (waiting_.front().good) complaints_.push_back("a good frame is called bad");
    waiting_.pop_front();
    quiet_ = 0;
    return;
  }
  const unsigned thread = random_() % threads_.size();
  if (threads_[thread]) return;
  device_.begin_i = 1;
  device_.begin_thread_i = thread;
  threads_[thread] = Working{
      .packet = std::move(waiting_.front()), .cycles = static_cast<unsigned>(random_() % (pace_.work + 1)), .step = 0};
  waiting_.pop_front();
  quiet_ = 0;
}

void FramePath::work(unsigned thread) {
  Working& working = *threads_[thread];
  device_.thread_i = thread;
  device_.settle();
  if (working.cycles != 0) {
    --working.cycles;
    return;
  }
  if (working.step == 0) check(working);
  if (working.step < 3) return move_edge(working);
  device_.finish_i = 1;
  device_.finish_thread_i = thread;
  device_.finish_value_i = working.packet.done.value;
  device_.finish_cause_i = working.packet.done.cause;
  threads_[thread].reset();
  quiet_ = 0;
}

void FramePath::move_edge(Working& working) {
  const Done& done = working.packet.done;
  const std::array<int, 3> moves = {done.move_meta, done.move_data, -static_cast<int>(done.cut_end)};
  const std::array<unsigned, 3> edges = {device_.meta_o, device_.data_o, device_.end_o};
  const unsigned step = working.step++;
  if (working.packet.injected || moves[step] == 0) return;
  device_.set_i = 1U << step;
  device_.set_value_i = static_cast<unsigned>(static_cast<int>(edges[step]) + moves[step]);
}

void FramePath::check(const Working& working) {
  const Packet& packet = working.packet;
  const auto complain = [&](bool wrong, const char* what) {
    if (wrong) complaints_.push_back(what);
  };
  complain((device_.native_o != 0) == packet.injected, "native");
  if (packet.injected || !packet.good) return;
  complain(device_.meta_o != kHeadroom || device_.data_o != kHeadroom, "meta, data");
  complain(device_.end_o != kHeadroom + packet.sent.bytes.size(), "end");
  complain(device_.port_o != packet.sent.port, "port");
  complain(device_.queue_o != packet.sent.queue, "queue");
}

void FramePath::receive() {
  if (device_.m_tvalid_o == 0 || device_.m_tready_i == 0) return;
  quiet_ = 0;
  for (unsigned i = 0; i < 64; ++i) {
    if ((device_.m_tkeep_o >> i & 1) != 0)
      coming_.push_back(static_cast<std::uint8_t>(device_.m_tdata_o[i / 4] >> 8 * (i % 4)));
  }
  if (device_.m_tlast_o == 0) return;
  received_.push_back({.bytes = std::move(coming_),
                       .tag = static_cast<std::uint32_t>(field(device_.m_tuser_o, 0, 32)),
                       .value = field(device_.m_tuser_o, 32, 64),
                       .cause = static_cast<std::uint8_t>(field(device_.m_tuser_o, 96, 4))});
  coming_.clear();
}

}  // namespace forager::rtl
