// SPDX-License-Identifier: Apache-2.0
//
// A function's signature as BTF has it, in the terms in which the verifier checks calls of global functions: what
// kernel/bpf/btf.c btf_prepare_func_args makes of it. Whatever such a function may not take is Parameter::Kind::other,
// so that BTF errors become refusals of the one function that has them.
//
// BTF is hostile: ids and names exist (syscall/btf.h), but types may refer to one another in circles.
//
// Tested by: tests/unit/syscall_signature_test.cc.
#pragma once

#include <bpf/btf.h>

#include "isa/tables.h"
#include "program/program.h"

namespace forager::syscall {

// Fills linkage, returns and parameters from the FUNC of id `info.btf_type`. Pointers are told for global functions
// only: static ones are verified where they are called, with what is passed.
void read_signature(const ::btf& types, isa::ProgType type, program::FunctionInfo& info);

}  // namespace forager::syscall
