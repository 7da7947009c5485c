// SPDX-License-Identifier: Apache-2.0
//
// Frame: one packet (or event) on its way through a program, and what the program decided about it.
//
//      buffer                                                                buffer + capacity
//      | headroom   | metadata | linear part | fragments      | tailroom         | reserve |
//      0        data_meta     data        data_end       packet_end           limit()
//
// A packet of several buffers (XDP's "multi-buffer", a non-linear __sk_buff) has a linear part, which the program
// reaches by pointers, and fragments, which it reaches by helpers only. Here both stand in one piece, fragments right
// behind the linear part, so that whoever deals with the whole packet need not know. A packet without fragments has
// data_end == packet_end.
//
// Geometry follows Linux's XDP test frame, so that engines can be compared with BPF_PROG_TEST_RUN byte by byte:
// 256 bytes of headroom, frames of 4096 bytes (larger packets get a larger frame), the last 320 bytes reserved
// (the kernel's skb_shared_info), the first 40 out of adjust_head's reach (struct xdp_frame).
//
// Frames of programs that see a __sk_buff are made by exec/skb.h. They grow at both ends as socket buffers do, into a
// larger buffer where they must.
//
// Fragments of XDP frames are kFrameBytes long, the last one shorter: no helper makes others of them.
//
// The program's context (struct xdp_md, __sk_buff, ...) travels in `context` in uapi layout; pointer fields such as
// data and data_end are not stored there: engines derive them from the frame.
//
// Tested by: tests/unit/exec_frame_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "forager/result.h"

namespace forager::exec {

inline constexpr std::uint32_t kHeadroom = 256;     // XDP_PACKET_HEADROOM
inline constexpr std::uint32_t kFrameBytes = 4096;  // frame_sz of the kernel's test run
inline constexpr std::uint32_t kTailReserve = 320;  // SKB_DATA_ALIGN(sizeof(struct skb_shared_info))
inline constexpr std::uint32_t kFrameHeader = 40;   // sizeof(struct xdp_frame)
inline constexpr std::uint32_t kMaxLinearBytes = kFrameBytes - kHeadroom - kTailReserve;
inline constexpr std::uint32_t kMaxFragments = 17;      // MAX_SKB_FRAGS
inline constexpr std::uint32_t kMaxContextBytes = 256;  // no uapi context is larger
inline constexpr std::uint32_t kMaxPacketBytes = 256 * 1024;
inline constexpr std::uint32_t kMaxBufferBytes = 4 * 1024 * 1024;  // KMALLOC_MAX_SIZE: no buffer grows beyond

class Map;
struct ProgramSlot;

// Where a redirect goes (bpf_redirect, bpf_redirect_map, bpf_redirect_neigh, bpf_redirect_peer).
struct Redirect {
  static constexpr std::uint64_t kNeighbour = 1U << 16;  // the port's neighbour table fills in the MAC addresses
  static constexpr std::uint64_t kPeer = 1U << 17;       // to the port's peer in another network namespace

  std::uint32_t ifindex = 0;   // 0 = none; of a CPUMAP the CPU, of an XSKMAP the key
  std::uint32_t map_type = 0;  // isa::MapType of the map, 0 for plain bpf_redirect
  std::uint64_t flags = 0;     // BPF_F_*; the kernel's own above, which stand outside those
  // The program of the map's entry, which the frame meets on its way out, or on the CPU (runtime/onward.h); or null.
  std::shared_ptr<const ProgramSlot> program;
  // Of a broadcast: the map, where its entries may have programs.
  std::shared_ptr<Map> ports;
};

// A copy of the packet that a program sent on its way (bpf_clone_redirect).
struct FrameClone {
  Redirect redirect;
  std::vector<std::byte> packet;
};

struct Event;
struct Skb;
struct StorageOwner;
struct Task;
class Socket;

// What a run leaves besides its verdict.
struct Results {
  Redirect redirect;
  std::vector<FrameClone> clones;
  std::shared_ptr<Socket> target;    // the socket it goes to: bpf_sk_assign, bpf_sk_select_reuseport, a redirect's
  std::unique_ptr<Diagnostic> trap;  // the program was stopped; the verdict is then its type's safe one

  // In place, for most of it is empty.
  void clear() {
    redirect.ifindex = redirect.map_type = 0;
    redirect.flags = 0;
    redirect.program.reset();
    redirect.ports.reset();
    clones.clear();
    target.reset();
    trap.reset();
  }
};

class alignas(64) Frame {
 public:
  Frame() = default;
  // A frame holding a copy of `packet` with the standard geometry. Errors: limit over kMaxPacketBytes.
  [[nodiscard]] static Result<Frame> make(std::span<const std::byte> packet);
  // The same with other headroom and without a tail reserve.
  [[nodiscard]] static Result<Frame> make(std::span<const std::byte> packet, std::uint32_t headroom);
  // A frame without head- and tailroom (raw memory programs).
  [[nodiscard]] static Frame raw(std::span<const std::byte> memory);

  // All of it, fragments too.
  [[nodiscard]] std::span<std::byte> packet() { return {buffer_.data() + data_, packet_end_ - data_}; }
  [[nodiscard]] std::span<const std::byte> packet() const { return {buffer_.data() + data_, packet_end_ - data_}; }
  [[nodiscard]] std::byte* buffer() { return buffer_.data(); }
  [[nodiscard]] std::uint32_t capacity() const { return static_cast<std::uint32_t>(buffer_.size()); }
  // Offsets into buffer(), bytes.
  [[nodiscard]] std::uint32_t data_meta() const { return data_meta_; }
  [[nodiscard]] std::uint32_t data() const { return data_; }
  [[nodiscard]] std::uint32_t data_end() const { return data_end_; }
  [[nodiscard]] std::uint32_t packet_end() const { return packet_end_; }
  // Of the linear part.
  [[nodiscard]] std::uint32_t limit() const { return capacity() - reserve_; }

  // Makes the linear part so many bytes long, or as long as the packet; the rest becomes fragments.
  void set_linear(std::uint32_t bytes);

  // bpf_xdp_adjust_{head,tail,meta} (net/core/filter.c): 0 or -EINVAL, -EACCES; new tail bytes are zero. With
  // fragments, the tail grows within the last one, and shrinks over all of them.
  [[nodiscard]] int adjust_head(std::int32_t delta);
  [[nodiscard]] int adjust_tail(std::int32_t delta);
  [[nodiscard]] int adjust_meta(std::int32_t delta);

  // For exec/skb.h: makes sure of so many bytes before data() and behind packet_end(), zeros where they are new. Says
  // by how much offsets into buffer() grew; nothing over kMaxBufferBytes.
  [[nodiscard]] std::optional<std::uint32_t> make_room(std::size_t head, std::size_t tail);
  // Moves data() and packet_end() by so many bytes, which are in the buffer. Metadata is gone then. The linear part
  // ends where it did, or with the packet if there are no fragments.
  void move_edges(std::int64_t head, std::int64_t tail);

  // Replaces the contents with another engine's output, of which so many bytes are linear; by default all. Errors:
  // limit if it does not fit the frame.
  [[nodiscard]] Result<> assign(std::span<const std::byte> packet, std::size_t linear = SIZE_MAX);

  // Of the last run. Most leave none, and a new run then need not look at them.
  [[nodiscard]] const Results& results() const { return results_; }
  [[nodiscard]] Results& change_results() {
    has_results_ = 1;
    return results_;
  }
  void clear_results() {
    if (has_results_ == 0) return;
    results_.clear();
    has_results_ = 0;
  }

  std::array<std::byte, kMaxContextBytes> context{};  // uapi layout, scalars only
  std::uint64_t id = 0;                               // position in the input, from 0
  std::uint64_t timestamp_ns = 0;                     // of the capture
  std::shared_ptr<Skb> skb;                           // of program types that see a __sk_buff (exec/skb.h)
  std::shared_ptr<Socket> socket;                     // the context's `sk`, null = none (exec/socket.h)
  std::shared_ptr<Event> event;                       // of program types that see no packet (exec/event.h)
  std::shared_ptr<const Task> task;                   // whose event it is; null = the environment's (exec/task.h)
  // The cgroup that the program runs for, whose CGROUP_STORAGE values it sees; null = nobody's, so that the first
  // program that asks gets a new owner, for as long as the frame lives (as a test run in Linux does).
  std::shared_ptr<const StorageOwner> cgroup;

  // r0 of the last run: XDP action, or 64 bits for raw memory. With the buffer and its edges, which stand behind it,
  // all that most runs read and write of a frame.
  alignas(64) std::uint64_t return_value = 0;

 private:
  friend struct FrameLayout;

  std::vector<std::byte> buffer_;
  std::uint32_t data_meta_ = 0, data_ = 0, data_end_ = 0, packet_end_ = 0, reserve_ = 0, head_limit_ = 0;
  std::uint32_t has_results_ = 0;  // somebody may have written some

  Results results_;

  [[nodiscard]] int adjust_fragments(std::int32_t delta);
  [[nodiscard]] std::uint32_t last_fragment_room() const;
};

using PacketBatch = std::span<Frame>;

}  // namespace forager::exec
