// SPDX-License-Identifier: Apache-2.0
#include "kernel_btf.h"

#include <bpf/btf.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

namespace forager::verifier::golden {

using program::FunctionInfo;
using program::Parameter;
using program::ValueField;

namespace {

std::uint32_t id(int result) { return static_cast<std::uint32_t>(result); }

btf_func_linkage linkage_of(FunctionInfo::Linkage linkage) {
  return linkage == FunctionInfo::Linkage::global ? BTF_FUNC_GLOBAL : BTF_FUNC_STATIC;
}

}  // namespace

KernelBtf::KernelBtf()
    : btf_(btf__new_empty()),
      u8_(id(btf__add_int(btf_, "unsigned char", 1, 0))),
      u32_(id(btf__add_int(btf_, "unsigned int", 4, 0))),
      int_(id(btf__add_int(btf_, "int", 4, BTF_INT_SIGNED))) {}

KernelBtf::~KernelBtf() { btf__free(btf_); }

std::uint32_t KernelBtf::add_bytes(const std::string& name, std::uint32_t size) {
  const std::uint32_t array = id(btf__add_array(btf_, int_, u8_, size));
  const std::uint32_t out = id(btf__add_struct(btf_, name.c_str(), size));
  btf__add_field(btf_, "bytes", static_cast<int>(array), 0, 0);
  return out;
}

std::uint32_t KernelBtf::add_key(std::uint32_t size) { return size == 4 ? int_ : add_bytes("key", size); }

std::uint32_t KernelBtf::add_field_type(ValueField::Kind kind) {
  if (kind != ValueField::Kind::spin_lock) {
    const std::uint32_t wide = id(btf__add_int(btf_, "unsigned long", 8, 0));
    const char* name = kind == ValueField::Kind::timer ? "bpf_timer" : "bpf_wq";
    const std::uint32_t out = id(btf__add_struct(btf_, name, 16));
    btf__add_field(btf_, "a", static_cast<int>(wide), 0, 0);
    btf__add_field(btf_, "b", static_cast<int>(wide), 64, 0);
    return out;
  }
  const std::uint32_t out = id(btf__add_struct(btf_, "bpf_spin_lock", 4));
  btf__add_field(btf_, "val", static_cast<int>(u32_), 0, 0);
  return out;
}

std::uint32_t KernelBtf::add_value(const program::MapSpec& map) {
  if (map.fields.empty() && map.value_size == 4) return int_;
  if (map.fields.empty()) return add_bytes("value", map.value_size);
  std::vector<std::uint32_t> types;
  types.reserve(map.fields.size());
  for (const ValueField& field : map.fields) types.push_back(add_field_type(field.kind));
  const std::uint32_t out = id(btf__add_struct(btf_, "value", map.value_size));
  for (std::size_t i = 0; i < types.size(); ++i) {
    btf__add_field(btf_, fmt::format("f{}", i).c_str(), static_cast<int>(types[i]), map.fields[i].offset * 8, 0);
  }
  return out;
}

std::uint32_t KernelBtf::add_parameter_type(const Parameter& parameter, isa::ProgType type) {
  switch (parameter.kind) {
    case Parameter::Kind::scalar:
      return int_;
    case Parameter::Kind::other:
      return id(btf__add_ptr(btf_, 0));
    case Parameter::Kind::memory:
      return id(btf__add_ptr(btf_, static_cast<int>(add_bytes("memory", parameter.size))));
    case Parameter::Kind::context:
      break;
  }
  const isa::ProgTypeRow* row = isa::find_prog_type(static_cast<std::uint32_t>(type));
  return id(btf__add_ptr(btf_, static_cast<int>(add_bytes(std::string(row->context->name), 4))));
}

std::uint32_t KernelBtf::add_return_type(FunctionInfo::Returns returns) {
  if (returns == FunctionInfo::Returns::scalar) return int_;
  return returns == FunctionInfo::Returns::nothing ? 0 : add_bytes("returned", 8);
}

std::uint32_t KernelBtf::add_function(const FunctionInfo& function, isa::ProgType type) {
  std::vector<std::uint32_t> types;
  types.reserve(function.parameters.size());
  for (const Parameter& parameter : function.parameters) types.push_back(add_parameter_type(parameter, type));
  const int proto = btf__add_func_proto(btf_, static_cast<int>(add_return_type(function.returns)));
  for (std::size_t i = 0; i < types.size(); ++i) {
    btf__add_func_param(btf_, function.parameters[i].name.c_str(), static_cast<int>(types[i]));
  }
  const int out = btf__add_func(btf_, function.name.c_str(), linkage_of(function.linkage), proto);
  for (std::size_t i = 0; i < types.size(); ++i) {
    const bool nonnull = function.parameters[i].kind == Parameter::Kind::memory && !function.parameters[i].nullable;
    if (nonnull) btf__add_decl_tag(btf_, "arg:nonnull", out, static_cast<int>(i));
  }
  return id(out);
}

int KernelBtf::load() {
  std::uint32_t size = 0;
  const void* data = btf__raw_data(btf_, &size);
  bpf_attr attr{};
  attr.btf = reinterpret_cast<std::uintptr_t>(data);
  attr.btf_size = size;
  const long fd = syscall(SYS_bpf, BPF_BTF_LOAD, &attr, sizeof attr);
  return fd >= 0 ? static_cast<int>(fd) : -errno;
}

}  // namespace forager::verifier::golden
