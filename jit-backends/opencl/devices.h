// SPDX-License-Identifier: Apache-2.0
//
// The OpenCL devices of the machine: what each has and lacks, and which one is meant by a number or a part of a name.
//
// Tested by: tests/unit/opencl_devices_test.cc.
#pragma once

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "forager/result.h"

namespace forager::jit::opencl {

struct DeviceFound {
  cl_platform_id platform = nullptr;
  cl_device_id device = nullptr;
  std::string name;
  std::string driver;  // platform and driver with their versions
  std::string lacks;   // what keeps it from running kernels of ours; empty: nothing
  bool is_cpu = false;
  unsigned units = 1;
  std::uint64_t memory_bytes = 0;
  std::uint64_t max_buffer_bytes = 0;
  bool host_unified = false;   // its memory is the host's; addresses may differ
  bool shares_memory = false;  // a kernel may use any address of this process
};

// All devices of all platforms, as of the first call.
[[nodiscard]] const std::vector<DeviceFound>& devices_found();
// The first that lacks nothing; null, and why, if there is none.
[[nodiscard]] const DeviceFound* usable_device(std::string& reason);
// The device that `which` means: its number, or a part of its name in any case; empty: the first that is usable.
// Errors: input, with the candidates, where it means none or several; unsupported, for one that lacks something, and
// where there is none at all.
[[nodiscard]] Result<const DeviceFound*> choose_device(std::string_view which);

// ---- the parts, for tests ------------------------------------------------------------------------------------------

[[nodiscard]] Result<const DeviceFound*> choose_device(std::string_view which, std::span<const DeviceFound> among);

// What a device says of itself.
struct DeviceTraits {
  std::string version;     // "OpenCL 1.2 ..."
  std::string profile;     // FULL_PROFILE or EMBEDDED_PROFILE
  std::string extensions;  // names with spaces between them
  bool available = true;
  bool has_compiler = true;
  bool little_endian = true;
};
// Empty: nothing.
[[nodiscard]] std::string what_is_missing(const DeviceTraits& traits);

// Where OpenCL's loader looked for drivers, and what it found.
struct Surroundings {
  std::vector<std::string> platforms;  // names of drivers that were loaded
  std::string variable, value;         // of the environment, that says where drivers are; empty: none is set
  std::string folder;                  // where they are named otherwise
};
// Why no device was found there.
[[nodiscard]] std::string why_no_device(const Surroundings& around);

}  // namespace forager::jit::opencl
