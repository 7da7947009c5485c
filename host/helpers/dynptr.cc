// SPDX-License-Identifier: Apache-2.0
//
// Dynptrs (kernel/bpf/helpers.c bpf_dynptr_*, kernel/bpf/ringbuf.c). Sizes and offsets are 32 bits, as in Linux; what
// stands above them in a register does not count. Where making one fails, a null dynptr stands there instead, since
// the program has a dynptr to give back either way.
#include <cerrno>
#include <cstring>

#include "helpers/functions.h"

namespace forager::helpers {
namespace {

using exec::Dynptr;
using exec::DynptrMemory;
using exec::DynptrTable;

// The program's 16 bytes need not be aligned.
Dynptr load(u64 address) {
  Dynptr dynptr;
  std::memcpy(&dynptr, pointer<void>(address), sizeof(dynptr));
  return dynptr;
}

u64 make(u64 address, const Dynptr& dynptr, int error) {
  std::memcpy(pointer<void>(address), &dynptr, sizeof(dynptr));
  return result(error);
}

int check_size(u64 size) { return static_cast<std::uint32_t>(size) > DynptrTable::kMaxBytes ? -E2BIG : 0; }

// A part of a dynptr's memory: where it begins, or an error.
struct Part {
  std::byte* begin = nullptr;
  int error = -EINVAL;
};

Part part_of(RunContext& run, u64 address, u64 offset, u64 length) {
  const Dynptr dynptr = load(address);
  const DynptrMemory* memory = run.dynptrs.find(dynptr);
  if (memory == nullptr) return {};
  const auto from = static_cast<std::uint32_t>(offset), bytes = static_cast<std::uint32_t>(length);
  if (bytes > dynptr.size || from > dynptr.size - bytes) return {.error = -E2BIG};
  return {.begin = memory->base + dynptr.offset + from, .error = 0};
}

// A dynptr of this memory. A program that makes one of the same memory again and again has one entry of it.
Dynptr add(RunContext& run, const DynptrMemory& memory) {
  const auto& entries = run.dynptrs.entries();
  const bool again = memory.ring == nullptr && !entries.empty() && entries.back().ring == nullptr &&
                     entries.back().base == memory.base && entries.back().size == memory.size;
  return again ? Dynptr{.entry = entries.size(), .size = memory.size} : run.dynptrs.add(memory);
}

// Entries of records that ended are used again, the last ones first.
void forget_ended(RunContext& run) {
  auto& entries = run.dynptrs.entries();
  while (!entries.empty() && entries.back().ended) entries.pop_back();
}

u64 end_record(RunContext& run, u64 address, u64 flags, bool discard) {
  DynptrMemory* memory = run.dynptrs.find(load(address));
  if (memory == nullptr || memory->ring == nullptr) return 0;
  memory->ring->commit(memory->base, flags, discard);
  memory->ended = true;
  forget_ended(run);
  return make(address, {}, 0);
}

}  // namespace

u64 dynptr_from_mem(RunContext& run, u64 data, u64 size, u64 flags, u64 to, u64) {
  const int error = check_size(size) != 0 ? -E2BIG : flags != 0 ? -EINVAL : 0;
  if (error != 0) return make(to, {}, error);
  const Dynptr made = add(run, {.base = pointer<std::byte>(data), .size = static_cast<std::uint32_t>(size)});
  return make(to, made, made.entry == 0 ? -ENOMEM : 0);
}

u64 dynptr_read(RunContext& run, u64 to, u64 length, u64 from, u64 offset, u64 flags) {
  if (flags != 0) return result(-EINVAL);
  const Part part = part_of(run, from, offset, length);
  if (part.error != 0) return result(part.error);
  std::memmove(pointer<void>(to), part.begin, static_cast<std::uint32_t>(length));
  return 0;
}

u64 dynptr_write(RunContext& run, u64 to, u64 offset, u64 from, u64 length, u64 flags) {
  const DynptrMemory* memory = run.dynptrs.find(load(to));
  if (memory == nullptr || !memory->writable) return result(-EINVAL);
  const Part part = part_of(run, to, offset, length);
  if (part.error != 0 || flags != 0) return result(part.error != 0 ? part.error : -EINVAL);
  std::memmove(part.begin, pointer<void>(from), static_cast<std::uint32_t>(length));
  return 0;
}

u64 dynptr_data(RunContext& run, u64 from, u64 offset, u64 length, u64, u64) {
  const DynptrMemory* memory = run.dynptrs.find(load(from));
  if (memory == nullptr || !memory->writable) return 0;
  return reinterpret_cast<u64>(part_of(run, from, offset, length).begin);
}

u64 ringbuf_reserve_dynptr(RunContext& run, u64 a, u64 size, u64 flags, u64 to, u64) {
  const int error = flags != 0 ? -EINVAL : check_size(size);
  if (error != 0) return make(to, {}, error);
  exec::RingProducer* ring = map(a).abilities().ring;
  const auto bytes = static_cast<std::uint32_t>(size);
  auto* record = static_cast<std::byte*>(ring->reserve(bytes));
  if (record == nullptr) return make(to, {}, -EINVAL);
  const Dynptr made = add(run, {.base = record, .size = bytes, .ring = ring});
  if (made.entry == 0) ring->commit(record, 0, true);
  return make(to, made, made.entry == 0 ? -ENOMEM : 0);
}

u64 ringbuf_submit_dynptr(RunContext& run, u64 dynptr, u64 flags, u64, u64, u64) {
  return end_record(run, dynptr, flags, false);
}

u64 ringbuf_discard_dynptr(RunContext& run, u64 dynptr, u64 flags, u64, u64, u64) {
  return end_record(run, dynptr, flags, true);
}

}  // namespace forager::helpers
