// SPDX-License-Identifier: Apache-2.0
//
// One object out of its record: by the commands of bpf(2), so that whatever a file says goes through the checks that a
// caller's attributes go through, and every program through the verifier.
//
// Tested by: tests/unit/syscall_pin_store_test.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "forager/result.h"
#include "syscall/pin_contents.h"
#include "syscall/pin_records.h"
#include "syscall/process.h"

namespace forager::syscall {

// A map comes without its contents, and not frozen. Errors: input, ENOENT if an object that it needs is not there.
[[nodiscard]] Result<Object> rebuild(Process& process, const BtfRecord& record, const ObjectByNumber& object_of);
[[nodiscard]] Result<Object> rebuild(Process& process, const MapRecord& record, const ObjectByNumber& object_of);
[[nodiscard]] Result<Object> rebuild(Process& process, const ProgramRecord& record, const ObjectByNumber& object_of);

// The numbers of the objects without which there is no such object.
[[nodiscard]] std::vector<std::uint32_t> needs_of(const BtfRecord& record);
[[nodiscard]] std::vector<std::uint32_t> needs_of(const MapRecord& record);
[[nodiscard]] std::vector<std::uint32_t> needs_of(const ProgramRecord& record);

}  // namespace forager::syscall
