// SPDX-License-Identifier: Apache-2.0
//
// BTF for golden cases: what makes the kernel see the fields of map values and the signatures of functions.
//
// Tested by: kernel_test.cc (cases with fields and signatures agree with the kernel).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "golden_program.h"

struct btf;

namespace forager::verifier::golden {

// A BTF object in the kernel, closed with the last reference.
class KernelBtf {
 public:
  KernelBtf();
  ~KernelBtf();
  KernelBtf(const KernelBtf&) = delete;
  KernelBtf& operator=(const KernelBtf&) = delete;

  // Ids of the types of a key and of a value with the map's fields.
  std::uint32_t add_key(std::uint32_t size);
  std::uint32_t add_value(const program::MapSpec& map);
  // Id of the function, with its signature.
  std::uint32_t add_function(const program::FunctionInfo& function, isa::ProgType type);

  // File descriptor, or -errno.
  [[nodiscard]] int load();

 private:
  std::uint32_t add_bytes(const std::string& name, std::uint32_t size);
  std::uint32_t add_field_type(program::ValueField::Kind kind);
  std::uint32_t add_parameter_type(const program::Parameter& parameter, isa::ProgType type);
  std::uint32_t add_return_type(program::FunctionInfo::Returns returns);

  btf* btf_;
  std::uint32_t u8_, u32_, int_;
};

}  // namespace forager::verifier::golden
