// SPDX-License-Identifier: Apache-2.0
//
// Map: one key/value store, as programs and the host see it.
//
// Two sides use a map. The *program side* (helpers, JITs) works on one lane: it gets the address of a value in place
// and sees one value per CPU in per-CPU maps. The *host side* (bpf(2), the library) copies: values are whole (never
// torn, ../shared/design/architecture.md "Map coherence contract"), and per-CPU values travel as one buffer of
// possible-CPU slots, each rounded up to 8 bytes, as in Linux.
//
// Every operation may be called from any thread at any time; lookups take no lock. Functions return 0 or a negative
// errno with the kernel's meaning. Addresses returned by lookup() stay readable memory of the map until it is
// destroyed; after the key is deleted the slot may be reused for another key, as with Linux's preallocated maps.
//
// Tested by: tests/unit/maps_*_test.cc.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "program/program.h"
#include "verifier/verify.h"

namespace forager::exec {

using program::MapSpec;

// What the kernel returns where an operation has no meaning for an object; it has no place in <errno.h>.
inline constexpr int kNotSupported = 524;  // ENOTSUPP

class Map;

// Producer side of a RINGBUF map (kernel/bpf/ringbuf.c layout; flags are BPF_RB_*).
class RingProducer {
 public:
  virtual ~RingProducer() = default;
  // 8-byte aligned record memory of `size` bytes, or nullptr (full, or size over the ring).
  virtual void* reserve(std::uint64_t size) = 0;
  virtual void commit(void* record, std::uint64_t flags, bool discard) = 0;
  virtual int output(const void* data, std::uint64_t size, std::uint64_t flags) = 0;
  virtual std::uint64_t query(std::uint64_t what) const = 0;  // BPF_RB_AVAIL_DATA, RING_SIZE, CONS_POS, PROD_POS
  virtual std::uint64_t lost() const = 0;                     // records refused because the ring was full
  virtual void lose(std::uint64_t records) = 0;               // counts what a device had no room for
};

// One perf buffer, as a perf_event fd of type PERF_COUNT_SW_BPF_OUTPUT is in Linux.
class PerfSink {
 public:
  virtual ~PerfSink() = default;
  // Appends one PERF_RECORD_SAMPLE of the two parts; 0 or -ENOSPC (counted as lost and reported by a LOST record).
  virtual int write(std::span<const std::byte> first, std::span<const std::byte> second) = 0;
  virtual std::uint64_t lost() const = 0;
  virtual void lose(std::uint64_t samples) = 0;  // counts, and reports, what a device had no room for
};
class PerfTable {
 public:
  virtual ~PerfTable() = default;
  virtual int set(std::uint32_t index, std::shared_ptr<PerfSink> sink) = 0;  // null clears
  virtual std::shared_ptr<PerfSink> get(std::uint32_t index) const = 0;
};

// PROG_ARRAY: what bpf_tail_call jumps to. A device that follows a tail call meets a program that nobody loaded into
// it, so the slot brings the program's maps along, by index as in Program::maps() (null where it has none). A map of
// that list may be the PROG_ARRAY itself: whoever owns the array clears it with its last user reference, as Linux does.
using MapList = std::vector<std::shared_ptr<Map>>;
struct ProgramSlot {
  std::uint32_t id = 0;  // the runtime's program id
  std::shared_ptr<const verifier::VerifiedProgram> program;
  std::shared_ptr<const MapList> maps;
};
class ProgramTable {
 public:
  virtual ~ProgramTable() = default;
  virtual int set(std::uint32_t index, ProgramSlot slot) = 0;  // an empty slot clears
  virtual ProgramSlot get(std::uint32_t index) const = 0;      // empty if unset
  // Goes up after each change of a slot: what get() gave after a reading of this number holds while the number stands.
  virtual const std::atomic<std::uint64_t>& changes() const = 0;
};

// DEVMAP, DEVMAP_HASH and CPUMAP with values of 8 bytes: an entry may have a program, which frames meet on their way
// out of the port, or on the CPU (struct bpf_devmap_val, bpf_cpumap_val). Where the host writes a program's descriptor,
// the value in memory has its id.
struct RedirectEntry {
  std::uint32_t number = 0;  // the value's first: the port's ifindex, or the length of the CPU's queue
  ProgramSlot program;       // empty: none
};
class RedirectTable {
 public:
  // Gives the program that a descriptor names: 0, or a negative errno if there is none that this map takes.
  using Find = std::function<int(int fd, ProgramSlot& found)>;
  virtual ~RedirectTable() = default;
  // As Map::write(). The program is the last thing to be looked for.
  virtual int set(const void* key, const void* value, std::uint64_t flags, const Find& find) = 0;
  // The entry of one moment; nothing where there is none.
  [[nodiscard]] virtual std::optional<RedirectEntry> get(const void* key) = 0;
};

// QUEUE, STACK and BLOOM_FILTER: values without keys. For user space an update pushes, a lookup peeks and a
// lookup-and-delete pops.
class ValueStore {
 public:
  virtual ~ValueStore() = default;
  // BPF_ANY, or BPF_EXIST: make room by dropping the oldest. -E2BIG when full, -EINVAL for flags that the type has not.
  virtual int push(const void* value, std::uint64_t flags) = 0;
  // -ENOENT (and a zeroed value) when empty; -EOPNOTSUPP of a Bloom filter.
  virtual int pop(void* value) = 0;
  // The value that pop() would take; of a Bloom filter: 0 if this value may be a member, -ENOENT if it is none.
  virtual int peek(void* value) = 0;
};

// QUEUE and STACK as a whole, for devices that work on the values elsewhere for a while.
class ValueList {
 public:
  virtual ~ValueList() = default;
  // All values, oldest first.
  [[nodiscard]] virtual std::vector<std::byte> copy_out() const = 0;
  // What the device did meanwhile, in one step: so many of the oldest and of the newest values go, if they are there,
  // and others come, oldest first. How many of those found no room.
  virtual std::uint64_t change(std::uint64_t oldest, std::uint64_t newest, std::span<const std::byte> pushed) = 0;
};

// BLOOM_FILTER in place. Function i of `hashes` gives a value the bit jhash(value, value_size, seed + i) & mask; bits
// count from the least significant of words of 64, and are set by atomic ORs (kernel/bpf/bloom_filter.c).
struct BloomBits {
  std::byte* base = nullptr;
  std::uint32_t mask = 0, hashes = 0, seed = 0;

  [[nodiscard]] std::uint64_t bytes() const { return (std::uint64_t{mask} + 1) / 8; }
};

// ARRAY_OF_MAPS and HASH_OF_MAPS: what a lookup from a program gives is a map. Whoever got one keeps it alive itself
// (RunContext::held); a slot may be replaced at any time.
struct MapSlot {
  std::uint32_t id = 0;  // the runtime's map id
  std::shared_ptr<Map> map;
};
class MapTable {
 public:
  virtual ~MapTable() = default;
  virtual int set(const void* key, MapSlot slot, std::uint64_t flags) = 0;  // erase by Map::erase
  virtual MapSlot get(const void* key) const = 0;                           // empty if unset
};

// SOCKMAP, SOCKHASH, REUSEPORT_SOCKARRAY: sockets by key.
class Socket;
class SocketTable {
 public:
  virtual ~SocketTable() = default;
  virtual int set(const void* key, std::shared_ptr<Socket> socket, std::uint64_t flags) = 0;  // erase by Map::erase
  virtual std::shared_ptr<Socket> get(const void* key) const = 0;
};

// SK_STORAGE, CGROUP_STORAGE and their like: a value for each owner, for as long as the owner lives.
struct StorageOwner {
  std::uint64_t cookie = 0;         // what names it, never used twice
  std::weak_ptr<const void> alive;  // expires with the owner, and its value goes then
};
class LocalStorage {
 public:
  virtual ~LocalStorage() = default;
  // The owner's value in place (per-CPU maps: one after the other, each rounded up to 8 bytes). Where there is none:
  // null without BPF_LOCAL_STORAGE_GET_F_CREATE, else a new one that holds `initial` (null: zeros).
  virtual void* get(const StorageOwner& owner, const void* initial, std::uint64_t flags) = 0;
  virtual int erase(const StorageOwner& owner) = 0;  // -ENOENT
};

// Consumer side of a USER_RINGBUF (kernel/bpf/ringbuf.c bpf_user_ringbuf_drain).
class RingConsumer {
 public:
  virtual ~RingConsumer() = default;
  // Hands over one sample after another, until there is none, `take` returns false, or as many as Linux allows a call
  // were taken. Their number, or -EBUSY (another drains), -EINVAL, -E2BIG or -EAGAIN for what the producer did wrong.
  virtual std::int64_t drain(const std::function<bool(std::span<std::byte>)>& take, std::uint64_t flags) = 0;
};

// STACK_TRACE: instruction addresses by an id that is their hash (kernel/bpf/stackmap.c).
class StackTable {
 public:
  virtual ~StackTable() = default;
  // The id of a stack, innermost address first, or -EEXIST, -ENOMEM, -EINVAL, -EFAULT (no stack). flags: BPF_F_*STACK*.
  virtual std::int64_t put(std::span<const std::uint64_t> stack, std::uint64_t flags) = 0;
};

// Elements in place, for those who are not their users: walks over a map (bpf_for_each_map_elem), and timers, which
// know a value and need its key.
class Elements {
 public:
  virtual ~Elements() = default;
  // As Map::next_key(), but a key that is gone has a place in the order too: a walk passes a key that stays exactly
  // once, whatever is inserted and deleted meanwhile.
  [[nodiscard]] virtual int next(const void* key, void* next) = 0;
  // As Map::lookup(), but it makes the element no younger where a map drops the oldest (LRU).
  [[nodiscard]] virtual void* peek(const void* key, unsigned cpu) = 0;
  // The key of a value at an address that lookup() gave. Another key's, or a torn one, if the element was deleted or
  // replaced since.
  virtual void key_of(const void* value, void* key) const = 0;
};

// Abilities some map types have beyond key/value; null where absent. Owned by the map.
struct MapAbilities {
  RingProducer* ring = nullptr;
  RingConsumer* user_ring = nullptr;
  PerfTable* perf = nullptr;
  ProgramTable* programs = nullptr;
  RedirectTable* redirects = nullptr;
  ValueStore* values = nullptr;
  ValueList* list = nullptr;
  const BloomBits* bloom = nullptr;
  MapTable* maps = nullptr;
  SocketTable* sockets = nullptr;
  LocalStorage* storage = nullptr;
  StackTable* stacks = nullptr;
  Elements* elements = nullptr;
};

// Told when a value that may hold timers (MapSpec::fields) leaves its map, or is overwritten: its timers end then
// (kernel/bpf/syscall.c bpf_obj_free_fields). Maps call it with their locks held: it neither waits for a callback that
// runs nor calls a map.
class ValueHooks {
 public:
  virtual ~ValueHooks() = default;
  virtual void released(Map& map, void* value) = 0;
};

// Memory that stands behind a map and may be mapped into user space or addressed directly by programs
// (arrays, ring buffers). fd is a memfd owned by the map; -1 where there is none.
struct MapMemory {
  int fd = -1;
  std::byte* base = nullptr;  // first value (arrays) or the consumer page (ring buffers)
  std::size_t size = 0;       // bytes
};

struct MapUsage {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;  // all memory the map holds
};

// A table of chained entries with keys of at most 16 bytes, as compiled programs walk it. With key words w0 and w1 (the
// key's bytes, zero-padded) and fold(x, y) the low half of the 128-bit product xor its high half,
//     h = fold(w0 ^ first, second)            keys of up to 8 bytes
//     h = fold(w0 ^ first, w1 ^ second)       keys of 9 to 16 bytes
// the chain begins with the number in heads[fold(h ^ seed, third) & mask], 0 if it is empty, and number n's node stands
// at nodes + n * node_bytes:
//     u32 next | u32 version | [u32 mark, u32 unused] | key words | ... | value, at value_offset
// A key found between two equal odd readings of its node's version was in the table; marked tables then have the mark
// set to 1 where it is 0. Where the walk ends otherwise, but for an empty chain, DirectLookup::function decides.
struct HashWalk {
  std::uint64_t first = 0, second = 0, seed = 0, third = 0;
  const std::uint32_t* heads = nullptr;
  const std::byte* nodes = nullptr;
  std::uint64_t node_bytes = 0;
  std::uint32_t mask = 0;
  std::uint32_t value_offset = 0;
  bool marked = false;

  static constexpr std::uint32_t kNext = 0, kVersion = 4, kMark = 8;
  static constexpr std::uint32_t kKey = 8, kMarkedKey = 16;  // of the first key word
};

// How programs may look a key up without Map::lookup(), for engines that compile: what they inline, or call directly.
struct DirectLookup {
  enum class Kind : std::uint8_t {
    none,      // by lookup() only
    indexed,   // the value of the 32-bit key i, if below max_entries, is at base + i * stride
    function,  // function(object, key, cpu) is lookup(key, cpu), made for the map's key size
  };
  Kind kind = Kind::none;
  std::byte* base = nullptr;
  std::uint64_t stride = 0;  // bytes
  void* (*function)(void* object, const void* key, unsigned cpu) = nullptr;
  void* object = nullptr;
  const HashWalk* walk = nullptr;  // besides a function: how to find most keys without it; null = not so
};

class Map : public std::enable_shared_from_this<Map> {
 public:
  virtual ~Map() = default;
  Map(const Map&) = delete;
  Map& operator=(const Map&) = delete;

  [[nodiscard]] const MapSpec& spec() const { return spec_; }
  [[nodiscard]] const MapAbilities& abilities() const { return abilities_; }

  // Program side. `cpu` is the lane, below the CPU count the map was made for. flags: BPF_ANY, BPF_NOEXIST, BPF_EXIST.
  [[nodiscard]] virtual void* lookup(const void* key, unsigned cpu) = 0;
  [[nodiscard]] virtual int update(const void* key, const void* value, std::uint64_t flags, unsigned cpu) = 0;
  [[nodiscard]] virtual int erase(const void* key) = 0;
  // Holds for as long as the map lives.
  [[nodiscard]] virtual DirectLookup direct_lookup([[maybe_unused]] unsigned cpu) { return {}; }

  // Host side. Where values have a spin lock, BPF_F_LOCK takes it around the copy; without it, and always for the bytes
  // of locks and timers, a read gives zeros there and a write leaves them alone.
  // next_key(nullptr, ...) gives the first key; a key that is gone restarts; -ENOENT at the end.
  // Buffers of read and write are host_value_size(spec, cpus) bytes.
  [[nodiscard]] virtual int next_key(const void* key, void* next) = 0;
  [[nodiscard]] virtual int read(const void* key, void* value, std::uint64_t flags) = 0;
  [[nodiscard]] virtual int write(const void* key, const void* value, std::uint64_t flags) = 0;
  // Reads and deletes in one step: of several callers exactly one gets a key. -ENOTSUPP where the type has no such
  // operation, as most have not.
  [[nodiscard]] virtual int take(const void* key, void* value, std::uint64_t flags);

  // A number that goes up after a key came or went, or its value moved to other memory: where it stands still, keys and
  // the addresses that lookup() gives are the same. Nothing: the type does not tell. Read before one looks.
  [[nodiscard]] virtual std::optional<std::uint64_t> generation() const { return std::nullopt; }

  [[nodiscard]] virtual MapMemory memory() const { return {}; }
  [[nodiscard]] virtual MapUsage usage() const = 0;

  // Set once, before the map is used; outlives it.
  void set_hooks(ValueHooks* hooks) { hooks_ = hooks; }

 protected:
  explicit Map(MapSpec spec) : spec_(std::move(spec)) {}
  // For types whose values have timers: to be called before a value's memory is given to another key or forgotten.
  void release_value(void* value) {
    if (hooks_ != nullptr) hooks_->released(*this, value);
  }
  MapAbilities abilities_;

 private:
  MapSpec spec_;
  ValueHooks* hooks_ = nullptr;
};

inline int Map::take(const void*, void*, std::uint64_t) { return -kNotSupported; }

// Bytes of one value as the host passes it: value_size, or cpus slots of round_up(value_size, 8) for per-CPU maps.
[[nodiscard]] inline std::size_t host_value_size(const MapSpec& spec, unsigned cpus) {
  const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(spec.type));
  if (row == nullptr || !row->per_cpu) return spec.value_size;
  return std::size_t{(spec.value_size + 7U) & ~7U} * cpus;
}

}  // namespace forager::exec
