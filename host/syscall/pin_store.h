// SPDX-License-Identifier: Apache-2.0
//
// PinStore: pins that outlive the process: what is pinned in PinTree, as files of a directory (docs/adr/0009-pins.md).
//
//   lock       held as long as the store is open: one process a directory
//   N.btf, N.map, N.prog    an object; it names others by their N, so that what two share is one object again
//   N.pin      a path and the object there
//
// An object is written when it is pinned, or something that needs it is; maps' contents again by save() and at the
// orderly end of the process. Removing a pin removes its file, and those of objects that no file needs any more. Files
// that could not be read are never touched.
//
// Links, iterators, directories without pins, and ids are not kept.
//
// Invariant: safe from any thread. A child of fork() writes nothing.
//
// Tested by: tests/unit/syscall_pin_store_test.cc, tests/e2e.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "forager/result.h"
#include "maps/memory.h"
#include "syscall/pin_capture.h"
#include "syscall/pin_file.h"

namespace forager::syscall {

struct Process;
struct Restored;

class PinStore {
 public:
  // Closed. The process outlives it.
  explicit PinStore(Process& process) : process_(process) {}
  // close()
  ~PinStore();
  PinStore(const PinStore&) = delete;
  PinStore& operator=(const PinStore&) = delete;

  // Makes the directory if need be (readable by its owner), pins what it holds, and keeps what is pinned from now on.
  // Gives a line for each file that could not be used. Errors: system: EBUSY if another process has the directory, or
  // this one has pins already; what the machine says.
  [[nodiscard]] Result<std::vector<Diagnostic>> open(const std::string& directory);
  // Writes everything that is pinned as it is now. Errors: system (the first); the rest is written all the same.
  // Closed: nothing to do.
  [[nodiscard]] Result<> save();
  // Saves, and lets go of the directory.
  void close();

 private:
  using Numbers = std::vector<std::uint32_t>;
  struct File {
    RecordKind kind{};
    Numbers names;  // the files whose objects it names
  };
  // One go through objects and what they name: what was written, and whether that is what has a file already.
  struct Pass {
    bool again = false;
    std::set<std::uint32_t> seen;
  };

  [[nodiscard]] bool keeps() const;
  // Of a path where a pin came or went: 0, or the negative errno that keeps it from being kept.
  [[nodiscard]] long changed(const std::string& path);
  // The rest are under the lock.
  [[nodiscard]] Result<> take(const std::string& directory);
  void let_go();
  void adopt(const Restored& restored);
  [[nodiscard]] std::uint32_t number_of(const Kept& object);
  // With what the object names. `again`: even if it has a file.
  [[nodiscard]] Result<> write(const Kept& object, Pass& pass, bool again);
  [[nodiscard]] Result<> write(const PinFile& file, std::span<const std::byte> record, Numbers names);
  [[nodiscard]] Result<> write_pin(const std::string& path, const Kept& object);
  void remove_pin(const std::string& path);
  // Removes the files of objects that no pin needs.
  void sweep();

  Process& process_;
  std::mutex mutex_;
  maps::Fd directory_, lock_;
  std::string path_;
  std::atomic<pid_t> owner_ = 0;  // 0: closed
  std::uint32_t last_number_ = 0;
  std::uint32_t spared_ = 0;  // files up to this number may be needed by one that could not be read
  std::map<std::pair<RecordKind, std::uint32_t>, std::uint32_t> numbers_;  // by the runtime's id
  std::map<std::uint32_t, File> files_;                                    // that are there and were used
  std::map<std::string, std::uint32_t> pins_;                              // by path
};

}  // namespace forager::syscall
