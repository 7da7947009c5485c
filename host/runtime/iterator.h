// SPDX-License-Identifier: Apache-2.0
//
// Iterator: a program on its way over objects, and the text that it writes (kernel/bpf/bpf_iter.c). Nothing runs before
// somebody reads. A read shows the program as many objects as it takes to fill what was asked for; behind the last one
// the program runs once more, with nothing to see.
//
// An object whose text does not fit, or for which the program returned 1, is shown again by the next read; what the
// program wrote about it is dropped. The walk misses no object that stays, and shows none twice.
//
// Tested by: tests/unit/syscall_iter_test.cc.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "exec/visit.h"
#include "runtime/runtime.h"
#include "runtime/session.h"

namespace forager::runtime {

// Objects, one after another.
class Walk {
 public:
  virtual ~Walk() = default;
  // Goes to the next object; false behind the last.
  [[nodiscard]] virtual bool next() = 0;
  // What the object is to a program, valid until the next call; false if the object is gone.
  [[nodiscard]] virtual bool show(exec::Visit& visit) = 0;
  // What there is to see behind the last.
  virtual void show_end(exec::Visit&) {}
};

// Whether the iterator `program` may be attached to `map`, null where it was given none: 0, -EBADF (it needs one),
// -EINVAL (of another type), -EACCES (it reaches behind the map's keys or values, or writes to values that only their
// owner writes).
[[nodiscard]] int check_iterator(const ProgramObject& program, const MapObject* map, unsigned cpus);

class Iterator {
 public:
  // A walk of the link's program as it is now, whatever becomes of the link. Errors: a negative errno.
  [[nodiscard]] static Attached<std::shared_ptr<Iterator>> open(Runtime& runtime, const LinkObject& link);

  // Gives `take` the next bytes, `wanted` at most; these are done with if it returns 0. Their number, 0 at the end, or
  // a negative errno: that of `take`; EAGAIN where the program asked to see the first object again; E2BIG if its text
  // alone is too long; EIO if the program was stopped.
  [[nodiscard]] long read(std::size_t wanted, const std::function<long(std::span<const std::byte>)>& take);

 private:
  Iterator(Session session, std::shared_ptr<const MapUser> map, std::uint64_t id);
  [[nodiscard]] long fill(std::size_t wanted);
  [[nodiscard]] long step(bool& more);
  [[nodiscard]] long end();
  [[nodiscard]] int run(const exec::Visit& visit);

  std::mutex mutex_;
  const std::shared_ptr<const MapUser> map_;  // before the walk, which reads it
  Session session_;
  std::unique_ptr<Walk> walk_;
  exec::Frame frame_;
  exec::SeqFile file_;
  std::size_t given_ = 0;  // bytes of the file that were read
  const std::uint64_t id_;
  std::uint64_t shown_ = 0;  // objects, to their end
  bool standing_ = false;    // the walk stands at an object that is not shown yet
  bool finished_ = false;
};

}  // namespace forager::runtime
