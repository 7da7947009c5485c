// SPDX-License-Identifier: Apache-2.0
#include "runtime/attach.h"

#include <cerrno>
#include <utility>

namespace forager::runtime {

std::shared_ptr<ProgramObject> LinkObject::program() const {
  const std::lock_guard guard(mutex_);
  return program_;
}

std::uint32_t LinkObject::port() const {
  const std::lock_guard guard(mutex_);
  return port_;
}

int LinkObject::replace(std::shared_ptr<ProgramObject> next, const ProgramObject* expected) {
  const std::lock_guard guard(mutex_);
  if (port_ == 0) return -ENOLINK;
  if (expected != nullptr && expected != program_.get()) return -EPERM;
  if (next->type() != program_->type()) return -EINVAL;
  program_.swap(next);
  return 0;
}

void LinkObject::detach() {
  const std::lock_guard guard(mutex_);
  port_ = 0;
}

std::shared_ptr<LinkObject> AttachPoints::attach(IdTable<LinkObject>& links, std::uint32_t attach_type,
                                                 std::uint32_t port, std::shared_ptr<ProgramObject> program) {
  const std::lock_guard guard(mutex_);
  auto& place = by_port_[port];
  if (const auto present = place.lock(); present && present->port() == port) return nullptr;
  auto link = links.make(attach_type, port, std::move(program));
  place = link;
  return link;
}

std::shared_ptr<ProgramObject> AttachPoints::program_at(std::uint32_t port) const {
  const std::lock_guard guard(mutex_);
  const auto at = by_port_.find(port);
  const auto link = at == by_port_.end() ? nullptr : at->second.lock();
  return link && link->port() == port ? link->program() : nullptr;
}

}  // namespace forager::runtime
