// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/linux/mirror.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "jit-backends/linux/queues.h"
#include "jit-backends/linux/streams.h"

namespace forager::jit::linux_kernel {
namespace {

bool is_per_cpu(const exec::MapSpec& spec) {
  const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(spec.type));
  return row != nullptr && row->per_cpu;
}

std::size_t slot_bytes(const exec::MapSpec& spec) { return (std::size_t{spec.value_size} + 7) & ~std::size_t{7}; }

// Bytes of a value that both sides have: per-CPU values count the lanes that exist on both.
std::size_t shared_bytes(const exec::MapSpec& spec, const Lanes& lanes) {
  return is_per_cpu(spec) ? slot_bytes(spec) * lanes.shared() : spec.value_size;
}

class HostSide final : public Side {
 public:
  HostSide(exec::Map& map, const Lanes& lanes)
      : map_(map), shared_(shared_bytes(map.spec(), lanes)), value_(exec::host_value_size(map.spec(), lanes.host)) {}

  int next_key(const std::byte* key, std::byte* next) override { return map_.next_key(key, next); }
  int erase(const std::byte* key) override { return map_.erase(key); }
  int read(const std::byte* key, std::byte* value) override {
    const int error = map_.read(key, value_.data(), 0);
    if (error == 0) std::memcpy(value, value_.data(), shared_);
    return error;
  }
  // Lanes that the kernel does not have keep what they hold.
  int write(const std::byte* key, const std::byte* value) override {
    if (shared_ < value_.size() && map_.read(key, value_.data(), 0) != 0)
      std::fill(value_.begin(), value_.end(), std::byte{0});
    std::memcpy(value_.data(), value, shared_);
    return map_.write(key, value_.data(), BPF_ANY);
  }

 private:
  exec::Map& map_;
  std::size_t shared_;
  std::vector<std::byte> value_;
};

class KernelSide final : public Side {
 public:
  KernelSide(const exec::MapSpec& spec, const Fd& fd, const Lanes& lanes)
      : fd_(fd),
        lanes_(lanes),
        per_cpu_(is_per_cpu(spec)),
        slot_(per_cpu_ ? slot_bytes(spec) : spec.value_size),
        value_(slot_ * (per_cpu_ ? lanes.kernel : 1)) {}

  int next_key(const std::byte* key, std::byte* next) override { return map_next_key(fd_, key, next); }
  int erase(const std::byte* key) override { return map_erase(fd_, key); }
  int read(const std::byte* key, std::byte* value) override {
    const int error = map_lookup(fd_, key, value_.data());
    if (error == 0) to_shared(value_.data(), value);
    return error;
  }
  int write(const std::byte* key, const std::byte* value) override {
    for_each_slot(
        [&](std::size_t theirs, std::size_t ours) { std::memcpy(value_.data() + theirs, value + ours, slot_); });
    return map_update(fd_, key, value_.data());
  }
  int read_all(std::size_t key_bytes, std::size_t value_bytes, std::vector<std::byte>& rows) override;

 private:
  static constexpr std::size_t kBatchBytes = std::size_t{1} << 18;
  static constexpr std::size_t kMaxRoom = std::size_t{1} << 24;  // rows of one batch

  // Calls copy(offset in the kernel's value, offset in the shared value).
  template <class Copy>
  void for_each_slot(Copy copy) const {
    if (!per_cpu_) return copy(0, 0);
    for (unsigned lane = 0; lane < lanes_.shared(); ++lane) copy(slot_ * lanes_.cpu(lane), slot_ * lane);
  }
  void to_shared(const std::byte* kernel, std::byte* shared) const {
    for_each_slot([&](std::size_t theirs, std::size_t ours) { std::memcpy(shared + ours, kernel + theirs, slot_); });
  }

  const Fd& fd_;
  Lanes lanes_;
  bool per_cpu_;
  std::size_t slot_;
  std::vector<std::byte> value_;
};

// A system call for each key takes a tenth of a second for a table of 65,536, so the kernel's batches are used; where
// a map type has none, the first call says so. A batch that is smaller than one bucket of a hash is tried again,
// larger.
int KernelSide::read_all(std::size_t key_bytes, std::size_t value_bytes, std::vector<std::byte>& rows) {
  std::vector<std::byte> token(std::max(key_bytes, sizeof(std::uint64_t)));
  std::vector<std::byte> next(token.size());
  std::vector<std::byte> keys;
  std::vector<std::byte> values;
  std::size_t room = std::max<std::size_t>(kBatchBytes / (key_bytes + value_.size()), 1);
  bool started = false;
  int result = 0;
  while (result == 0 || (result == -ENOSPC && room < kMaxRoom)) {
    if (result == -ENOSPC) room *= 2;
    keys.resize(room * key_bytes);
    values.resize(room * value_.size());
    auto count = static_cast<std::uint32_t>(room);
    result = map_lookup_batch(fd_, started ? token.data() : nullptr, next.data(), keys.data(), values.data(), count);
    const bool understood = result == 0 || result == -ENOENT || result == -ENOSPC;
    if (!started && !understood) return Side::read_all(key_bytes, value_bytes, rows);
    for (std::size_t i = 0; i < count; ++i) {
      rows.insert(rows.end(), keys.begin() + i * key_bytes, keys.begin() + (i + 1) * key_bytes);
      rows.resize(rows.size() + value_bytes);
      to_shared(values.data() + i * value_.size(), rows.data() + rows.size() - value_bytes);
    }
    started = started || result == 0;
    if (result == 0) token.swap(next);
  }
  return result == -ENOENT ? 0 : result;
}

std::unexpected<Diagnostic> sync_failed(const exec::Map& map, const char* what, int error) {
  return fail(ErrorKind::system, -error,
              fmt::format("map '{}': cannot {}: {}", map.spec().name, what, errno_text(error)));
}

}  // namespace

KeyValueMirror::KeyValueMirror(std::shared_ptr<exec::Map> map, Fd fd, Lanes lanes, Check check)
    : Mirror(std::move(map), std::move(fd)),
      host_(std::make_unique<HostSide>(this->map(), lanes)),
      kernel_(std::make_unique<KernelSide>(this->map().spec(), this->fd(), lanes)),
      check_(std::move(check)),
      agreed_(this->map().spec().key_size, shared_bytes(this->map().spec(), lanes)) {}

Result<> KeyValueMirror::push() {
  if (frozen_) return {};
  if (auto checked = check_values(); !checked) return checked;
  Snapshot kernel = agreed_;
  if (!filled_) {  // arrays are born with values
    if (const int error = kernel.take(*kernel_); error != 0) return sync_failed(map(), "read the kernel's map", error);
  }
  if (const int error = agreed_.take(*host_); error != 0) return sync_failed(map(), "read the map", error);
  if (const int error = kernel.change_to(agreed_, *kernel_); error != 0) {
    return sync_failed(map(), "copy the map to the kernel", error);
  }
  filled_ = true;
  frozen_ = (map().spec().flags & BPF_F_RDONLY_PROG) != 0 && map_freeze(fd()) == 0;
  return {};
}

Result<> KeyValueMirror::pull() {
  if (!written()) return {};
  Snapshot host = agreed_;
  if (const int error = agreed_.take(*kernel_); error != 0) return sync_failed(map(), "read the kernel's map", error);
  if (const int error = host.change_to(agreed_, *host_); error != 0) {
    return sync_failed(map(), "copy the map from the kernel", error);
  }
  return {};
}

bool KeyValueMirror::stale() {
  if (!frozen_) return false;
  Snapshot now = agreed_;
  return now.take(*host_) != 0 || !(now == agreed_);
}

Result<> KeyValueMirror::check_values() {
  if (!check_) return {};
  std::vector<std::byte> key(map().spec().key_size);
  std::vector<std::byte> value(map().spec().value_size);
  std::vector<std::byte> next(key.size());
  int error = host_->next_key(nullptr, next.data());
  for (; error == 0; error = host_->next_key(key.data(), next.data())) {
    key = next;
    if (host_->read(key.data(), value.data()) != 0) continue;  // an empty slot
    if (auto checked = check_(value); !checked) return checked;
  }
  return {};
}

ProgramArrayMirror::ProgramArrayMirror(std::shared_ptr<exec::Map> map, Fd fd, Loader loader)
    : Mirror(std::move(map), std::move(fd)), loader_(std::move(loader)), slots_(this->map().spec().max_entries) {}

Result<> ProgramArrayMirror::push() {
  const exec::ProgramTable* table = map().abilities().programs;
  if (table == nullptr) return fail(ErrorKind::bug, EINVAL, "a program array without a program table");
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const exec::ProgramSlot wanted = table->get(i);
    if (wanted.program == slots_[i].program && wanted.maps == slots_[i].maps) continue;
    if (auto done = set(i, wanted); !done) return done;
  }
  return {};
}

Result<> ProgramArrayMirror::set(std::uint32_t index, const exec::ProgramSlot& wanted) {
  if (wanted.program == nullptr) {
    const int error = map_erase(fd(), &index);
    if (error != 0 && error != -ENOENT) return sync_failed(map(), "clear a slot in the kernel", error);
    slots_[index] = {};
    return {};
  }
  auto loaded = loader_(wanted);
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  const int program = (*loaded)->get();
  if (const int error = map_update(fd(), &index, &program); error != 0) {
    return sync_failed(
        map(), fmt::format("put program '{}' into slot {}", wanted.program->program().name(), index).c_str(), error);
  }
  slots_[index] = {wanted.program, wanted.maps, std::move(*loaded)};
  return {};
}

// ---- which twin a map type has -------------------------------------------------------------------------------

namespace {

enum class Kind : std::uint8_t { none, key_value, devices, cpus, programs, ring, perf, queue };

Kind kind_of(isa::MapType type) {
  using enum isa::MapType;
  switch (type) {
    case hash:
    case array:
    case percpu_hash:
    case percpu_array:
    case lru_hash:
    case lru_percpu_hash:
    case lpm_trie:
      return Kind::key_value;
    case cpumap:
      return Kind::cpus;
    case devmap:
    case devmap_hash:
      return Kind::devices;
    case prog_array:
      return Kind::programs;
    case ringbuf:
      return Kind::ring;
    case perf_event_array:
      return Kind::perf;
    case queue:
    case stack:
      return Kind::queue;
    default:
      return Kind::none;
  }
}

// Why there is none, where there is more to say than that nobody wrote it.
std::string_view why_no_twin(isa::MapType type) {
  using enum isa::MapType;
  switch (type) {
    case bloom_filter:
      return ": what is in a Bloom filter cannot be read back";
    case user_ringbuf:
      return ": the kernel takes programs with callbacks by their BTF only";
    case stack_trace:
      return ": the kernel's stacks are those of this machine";
    case xskmap:
    case cgroup_array:
      return ": it holds objects that the kernel does not show";
    default:
      return "";
  }
}

// A device's or a CPU's value may have a program to run there (struct bpf_devmap_val, bpf_cpumap_val). The kernel's
// test run redirects nothing, so that it would not run.
Result<> check_no_program(std::span<const std::byte> value) {
  bpf_devmap_val row{};
  std::memcpy(&row, value.data(), std::min(value.size(), sizeof(row)));
  if (row.bpf_prog.id == 0) return {};
  return fail(ErrorKind::unsupported, EOPNOTSUPP, "the linux backend runs no programs of map entries");
}

std::unexpected<Diagnostic> no_twin(const exec::MapSpec& spec) {
  const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(spec.type));
  return fail(ErrorKind::unsupported, ENOTSUP,
              fmt::format("map '{}': the linux backend keeps no twin of {} maps{}", spec.name,
                          row != nullptr ? row->name : "unknown", why_no_twin(spec.type)));
}

}  // namespace

bool can_mirror(isa::MapType type) { return kind_of(type) != Kind::none; }

Result<std::unique_ptr<Mirror>> make_mirror(std::shared_ptr<exec::Map> map, const MirrorContext& context) {
  const Kind kind = kind_of(map->spec().type);
  if (kind == Kind::none) return no_twin(map->spec());
  auto fd = create_map(map->spec());
  if (!fd) return std::unexpected(std::move(fd.error()));
  switch (kind) {
    case Kind::programs:
      return std::make_unique<ProgramArrayMirror>(std::move(map), std::move(*fd), context.loader);
    case Kind::ring:
      return make_ring_mirror(std::move(map), std::move(*fd));
    case Kind::perf:
      return make_perf_mirror(std::move(map), std::move(*fd), context.lanes);
    case Kind::queue:
      return make_queue_mirror(std::move(map), std::move(*fd));
    default:
      break;
  }
  KeyValueMirror::Check check;
  if (kind == Kind::cpus) check = check_no_program;
  if (kind == Kind::devices) {
    check = [ports = context.device_check](std::span<const std::byte> value) {
      auto alone = check_no_program(value);
      return alone && ports ? ports(value) : alone;
    };
  }
  return std::make_unique<KeyValueMirror>(std::move(map), std::move(*fd), context.lanes, std::move(check));
}

}  // namespace forager::jit::linux_kernel
