// SPDX-License-Identifier: Apache-2.0
//
// The test's side of frame_path.sv: a port that sends frames with gaps, threads that take their time and move the
// packet's edges, a receiver that is not always ready, and a rule for what must come out.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <vector>

#include "Vframe_path.h"
#include "tests/rtl/clocked.h"

namespace forager::rtl {

using Bytes = std::vector<std::uint8_t>;

inline constexpr unsigned kMaxFrame = 3520;  // longer ones are dropped
inline constexpr unsigned kHeadroom = 256;

// One way in which a frame can be wrong.
enum class Fault : std::uint8_t { none, hole, short_beat, empty_beat, announced_wrong, announced_long };

struct Sent {
  Bytes bytes;
  std::uint16_t announced = 0;  // length that goes ahead; 0: none
  std::uint32_t port = 0, queue = 0;
  Fault fault = Fault::none;
};

// What a thread makes of it.
struct Done {
  std::uint64_t value = 2;  // XDP_PASS
  std::uint8_t cause = 0;
  int move_meta = 0, move_data = 0;  // bytes, as the host moves a packet's edges
  unsigned cut_end = 0;
};

struct Received {
  Bytes bytes;
  std::uint32_t tag = 0;
  std::uint64_t value = 0;
  std::uint8_t cause = 0;
  bool operator==(const Received&) const = default;
};

struct Pace {
  unsigned gap = 0, stall = 0, busy = 0, work = 0;  // in percent of cycles: port, receiver, memory; cycles of a thread
};

class FramePath {
 public:
  FramePath(std::uint64_t seed, Pace pace, bool all);

  // Each is done to by `done` when its turn comes; in the order of the calls.
  void send(Sent sent, Done done);
  void inject(std::uint32_t tag, Done done);

  // Until nothing is left in the device, or too long for anything that still moves.
  bool run();

  [[nodiscard]] const std::vector<Received>& received() const { return received_; }
  [[nodiscard]] const std::vector<Received>& expected() const { return expected_; }
  [[nodiscard]] unsigned oversize() const { return oversize_; }
  [[nodiscard]] unsigned malformed() const { return malformed_; }
  [[nodiscard]] unsigned packets() const { return packets_; }
  [[nodiscard]] unsigned traps() const { return traps_; }
  // Where threads found other bounds, ports or queues than were sent; empty if all was well.
  [[nodiscard]] const std::vector<const char*>& complaints() const { return complaints_; }

 private:
  struct Beat {
    std::array<std::uint8_t, 64> data;
    std::uint64_t keep;
    bool last;
    std::uint16_t announced;
    std::uint32_t port, queue;
  };
  struct Packet {  // of a thread
    bool injected, good;
    Sent sent;
    Done done;
  };
  struct Working {
    Packet packet;
    unsigned cycles;
    unsigned step;  // edges are moved one a cycle
  };

  void expect(Bytes bytes, std::uint32_t tag, const Done& done);
  void cycle();
  void drive_port();
  void drive_inject();
  void drive_threads();
  void begin_next();
  void work(unsigned thread);
  void move_edge(Working& working);
  void check(const Working& working);
  void receive();
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  [[nodiscard]] bool moving() const;

  Clocked<Vframe_path> device_;
  std::mt19937_64 random_;
  Pace pace_;
  bool all_;
  std::uint32_t frames_ = 0;

  struct Source {  // what goes in: beats of a frame, or an injected tag
    std::deque<Beat> beats;
    std::optional<std::uint32_t> tag;
  };
  std::deque<Source> sources_;
  std::deque<Packet> waiting_;  // good ones, in the order in which they go in
  std::array<std::optional<Working>, 4> threads_;
  Bytes coming_;
  std::vector<Received> received_, expected_;
  std::vector<const char*> complaints_;
  unsigned oversize_ = 0, malformed_ = 0, packets_ = 0, traps_ = 0, quiet_ = 0;
};

}  // namespace forager::rtl
