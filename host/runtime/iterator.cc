// SPDX-License-Identifier: Apache-2.0
#include "runtime/iterator.h"

#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "exec/event.h"
#include "runtime/walks.h"

namespace forager::runtime {
namespace {

constexpr unsigned kMostObjects = 1'000'000;  // of one read that comes to no text (MAX_ITER_OBJECTS)

// kernel/bpf/map_iter.c bpf_iter_attach_map()
bool has_elements(isa::MapType type) {
  using enum isa::MapType;
  constexpr isa::MapType kTypes[] = {array, hash, lru_hash, percpu_array, percpu_hash, lru_percpu_hash};
  return std::ranges::find(kTypes, type) != std::end(kTypes);
}

// Linux lets iterators write to values that are constants to other programs, and to the locks and timers in values.
bool forbids_writes(const program::MapSpec& spec) {
  return (spec.flags & BPF_F_RDONLY_PROG) != 0 || !spec.fields.empty();
}

}  // namespace

int check_iterator(const ProgramObject& program, const MapObject* map, unsigned cpus) {
  const isa::IteratorRow* iterator = program.source().iterator;
  if (iterator == nullptr) return -EINVAL;
  if (iterator->name != "bpf_map_elem") return 0;
  if (map == nullptr) return -EBADF;
  const program::MapSpec& spec = map->spec();
  if (!has_elements(spec.type) || map->map->abilities().elements == nullptr) return -EINVAL;
  const verifier::BufferUse& use = program.verified->buffer_use();
  if (use.key > spec.key_size || use.value > exec::host_value_size(spec, cpus)) return -EACCES;
  return use.writes && forbids_writes(spec) ? -EACCES : 0;
}

Attached<std::shared_ptr<Iterator>> Iterator::open(Runtime& runtime, const LinkObject& link) {
  auto program = link.program();
  const MapObject* map = link.spec.map == nullptr ? nullptr : link.spec.map->object().get();
  if (const int error = check_iterator(*program, map, runtime.environment.cpus); error != 0) {
    return std::unexpected(error);
  }
  auto session = Session::open(runtime.environment, program, runtime.session_options());
  if (!session) return std::unexpected(session.error().error != 0 ? -session.error().error : -EIO);
  const std::uint64_t id = ++runtime.iterator_sessions;
  std::shared_ptr<Iterator> iterator(new Iterator(std::move(*session), link.spec.map, id));
  iterator->walk_ = walk_for(runtime, iterator->session_.program().source(), map);
  return iterator;
}

Iterator::Iterator(Session session, std::shared_ptr<const MapUser> map, std::uint64_t id)
    : map_(std::move(map)), session_(std::move(session)), id_(id) {
  frame_.event = std::make_shared<exec::Event>();
}

long Iterator::read(std::size_t wanted, const std::function<long(std::span<const std::byte>)>& take) {
  const std::lock_guard guard(mutex_);
  if (given_ == file_.count()) {
    file_.cut(0);
    given_ = 0;
    if (const long error = fill(wanted); error != 0) return error;
  }
  const auto next = file_.text().subspan(given_, std::min(wanted, file_.count() - given_));
  if (const long error = take(next); error != 0) return error;
  given_ += next.size();
  return static_cast<long>(next.size());
}

long Iterator::fill(std::size_t wanted) {
  bool more = true;
  for (unsigned objects = 0; more; ++objects) {
    if (!standing_ && (finished_ || !walk_->next())) return end();
    standing_ = true;
    if (objects > 0 && file_.count() >= wanted) return 0;
    if (objects == kMostObjects) return file_.count() == 0 ? -EAGAIN : 0;
    if (const long error = step(more); error != 0) return error;
  }
  return 0;
}

// Shows the object at hand. `more`: the next one may follow in this read.
long Iterator::step(bool& more) {
  exec::Visit visit{.seq = &file_, .session_id = id_, .seq_num = shown_};
  const std::size_t before = file_.count();
  if (walk_->show(visit)) {
    const int error = run(visit);
    if (error != 0 || file_.overflowed()) {
      file_.cut(before);
      more = false;
      if (before != 0) return 0;
      return error != 0 ? error : -E2BIG;
    }
    ++shown_;
  }
  standing_ = false;
  return 0;
}

// What the program returns here does not matter, as in Linux.
long Iterator::end() {
  if (finished_) return 0;
  exec::Visit visit{.seq = &file_, .session_id = id_, .seq_num = shown_ == 0 ? 0 : shown_ - 1};
  walk_->show_end(visit);
  const std::size_t before = file_.count();
  const int error = run(visit);
  if (file_.overflowed() || error == -EIO) {
    file_.cut(before);
    if (before != 0) return 0;
    return error == -EIO ? error : -E2BIG;
  }
  finished_ = true;
  return 0;
}

int Iterator::run(const exec::Visit& visit) {
  frame_.event->visit = &visit;
  const auto report = session_.run({&frame_, 1});
  frame_.event->visit = nullptr;
  if (!report || frame_.results().trap != nullptr) return -EIO;
  return frame_.return_value == 0 ? 0 : -EAGAIN;
}

}  // namespace forager::runtime
