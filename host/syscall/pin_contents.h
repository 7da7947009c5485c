// SPDX-License-Identifier: Apache-2.0
//
// The contents of a map that outlives its process: read out of one map, and written into a new one of the same shape.
//
// Where values name programs or maps, the numbers of their files stand instead. Contents of some types mean nothing
// outside the process (sockets, readers of perf buffers, stack traces, values of owners): there is nothing to keep.
// Locks and timers in values are not taken along: locks are free then, and timers are none.
//
// Tested by: tests/unit/syscall_pin_store_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "forager/result.h"
#include "syscall/pin_records.h"
#include "syscall/process.h"

namespace forager::syscall {

enum class Referent : std::uint8_t { program, map };

// The number of the file of a program or a map, by its id in the runtime; 0 if it is gone.
using NumberById = std::function<std::uint32_t(Referent, std::uint32_t id)>;
// What a file's number stands for; null if it is none, or was not made.
using ObjectByNumber = std::function<const Object*(std::uint32_t number)>;

[[nodiscard]] bool names_others(const runtime::MapObject& map);

[[nodiscard]] Contents read_contents(Process& process, runtime::MapObject& map, const NumberById& number_of);
// How many elements were left out because what they name is not there. Errors: input, for contents that such a map
// cannot have had; some may stand in the map then.
[[nodiscard]] Result<std::size_t> write_contents(Process& process, runtime::MapObject& map, const Contents& contents,
                                                 const ObjectByNumber& object_of);

// A descriptor for as long as a call needs one.
class LentFd {
 public:
  LentFd(FdTable& fds, Object object) : fds_(fds), fd_(fds.install(std::move(object))) {}
  LentFd(LentFd&& other) noexcept : fds_(other.fds_), fd_(std::exchange(other.fd_, -1)) {}
  LentFd& operator=(LentFd&&) = delete;
  ~LentFd() {
    if (fd_ >= 0) (void)fds_.close(static_cast<int>(fd_));
  }
  [[nodiscard]] std::uint32_t number() const { return static_cast<std::uint32_t>(fd_); }  // as attributes have it

 private:
  FdTable& fds_;
  long fd_;
};

}  // namespace forager::syscall
