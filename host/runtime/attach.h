// SPDX-License-Identifier: Apache-2.0
//
// Links and the places programs are attached to. An attach point is data here: a virtual port of the runtime, named by
// a number in place of Linux's ifindex. A link holds its program; the point does not hold the link, so that closing a
// link's last descriptor detaches, as in Linux.
//
// Tested by: tests/unit/runtime_objects_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "runtime/id_table.h"
#include "runtime/objects.h"

namespace forager::runtime {

class AttachPoints;

class LinkObject {
 public:
  LinkObject(std::uint32_t object_id, std::uint32_t attach, std::uint32_t target,
             std::shared_ptr<ProgramObject> program)
      : id(object_id), attach_type(attach), program_(std::move(program)), port_(target) {}

  [[nodiscard]] std::shared_ptr<ProgramObject> program() const;
  // The port, or 0 once detached.
  [[nodiscard]] std::uint32_t port() const;
  // Puts `next` in the program's place. -EPERM if `expected` is given and is not the present one, -EINVAL if the types
  // differ, -ENOLINK once detached.
  [[nodiscard]] int replace(std::shared_ptr<ProgramObject> next, const ProgramObject* expected);
  void detach();

  const std::uint32_t id;
  const std::uint32_t attach_type;  // enum bpf_attach_type

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<ProgramObject> program_;
  std::uint32_t port_;
};

// Which link stands at each port.
class AttachPoints {
 public:
  // Null if another link is attached there.
  [[nodiscard]] std::shared_ptr<LinkObject> attach(IdTable<LinkObject>& links, std::uint32_t attach_type,
                                                   std::uint32_t port, std::shared_ptr<ProgramObject> program);
  // What packets of the port meet, or null.
  [[nodiscard]] std::shared_ptr<ProgramObject> program_at(std::uint32_t port) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::uint32_t, std::weak_ptr<LinkObject>> by_port_;
};

}  // namespace forager::runtime
