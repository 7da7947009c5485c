// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/address_rules.h"

namespace forager::fuzz {

using isa::Arg;

Use use_of(Arg arg) {
  switch (arg) {
    case Arg::anything:
    case Arg::const_size:
    case Arg::const_size_or_zero:
    case Arg::const_alloc_size:
      return Use::is_number;
    case Arg::map_key:
    case Arg::map_value:
    case Arg::map_value_or_null:
    case Arg::mem:
    case Arg::mem_or_null:
    case Arg::ipv4_header:
    case Arg::ipv6_header:
    case Arg::tcp_header:
      return Use::reads;
    case Arg::map_value_uninit:
    case Arg::mem_uninit:
    case Arg::mem_out:
    case Arg::mem_out_or_null:
    case Arg::long_out:
      return Use::fills;
    case Arg::mem_update:
    case Arg::int_out:
      return Use::updates;
    case Arg::dynptr_uninit:
      return Use::makes_dynptr;
    case Arg::callback:
      return Use::calls;
    default:
      return Use::nothing;
  }
}

Classes class_of(isa::Ret returns) {
  switch (returns) {
    case isa::Ret::integer:
    case isa::Ret::nothing:
      return kNumber;
    case isa::Ret::map_value:
    case isa::Ret::btf_pointer:
      return kOtherPointer;
    default:
      return kNumber | kOtherPointer;
  }
}

Classes class_of(const isa::ContextField& field) {
  switch (field.kind) {
    case isa::FieldKind::scalar:
      return kNumber;
    case isa::FieldKind::packet:
    case isa::FieldKind::packet_end:
    case isa::FieldKind::packet_meta:
      return kPacketPointer;
    default:
      return kNumber | kOtherPointer;
  }
}

}  // namespace forager::fuzz
