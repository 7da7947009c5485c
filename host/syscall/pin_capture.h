// SPDX-License-Identifier: Apache-2.0
//
// Objects of a runtime as pin records.
//
// Tested by: tests/unit/syscall_pin_store_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "syscall/fd_table.h"
#include "syscall/pin_file.h"

namespace forager::syscall {

struct Process;

// What is kept in files, in the order of RecordKind. Maps without a user's reference: to take one and to let it go is
// an event of its own (runtime/map_object.h).
using Kept = std::variant<std::shared_ptr<const runtime::BtfObject>, std::shared_ptr<runtime::MapObject>,
                          std::shared_ptr<runtime::ProgramObject>>;

[[nodiscard]] inline RecordKind kind_of(const Kept& object) { return static_cast<RecordKind>(object.index()); }
[[nodiscard]] std::uint32_t id_of(const Kept& object);
// Nothing for objects that are not kept: links, and programs that are made for one kernel.
[[nodiscard]] std::optional<Kept> kept(const Object& object);

// The object's record; `number_of` is asked for the file of every object that it names.
using NumberOf = std::function<std::uint32_t(const Kept&)>;
[[nodiscard]] std::vector<std::byte> capture(Process& process, const Kept& object, const NumberOf& number_of);

}  // namespace forager::syscall
