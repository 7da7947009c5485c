// SPDX-License-Identifier: Apache-2.0
//
// Driver: what we hold at a device (devices.h). Everything that can fail says which call did, and how.
//
// Tested by: tests/unit/opencl_device_test.cc.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "forager/result.h"
#include "jit-backends/opencl/devices.h"

namespace forager::jit::opencl {

// Owns an object of OpenCL's.
template <class T, cl_int(CL_API_CALL* kRelease)(T)>
class Owned {
 public:
  Owned() = default;
  explicit Owned(T object) : object_(object) {}
  Owned(Owned&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Owned() {
    if (object_ != nullptr) kRelease(object_);
  }
  [[nodiscard]] T get() const { return object_; }

 private:
  T object_ = nullptr;
};
using Context = Owned<cl_context, clReleaseContext>;
using Queue = Owned<cl_command_queue, clReleaseCommandQueue>;
using Memory = Owned<cl_mem, clReleaseMemObject>;
using Binary = Owned<cl_program, clReleaseProgram>;
using Kernel = Owned<cl_kernel, clReleaseKernel>;

// "clBuildProgram: CL_BUILD_PROGRAM_FAILURE (-11)".
[[nodiscard]] std::string status_text(const char* call, cl_int status);
[[nodiscard]] Result<> check(const char* call, cl_int status);

// A device with a queue of its own.
class Driver {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Driver>> open(const DeviceFound& found);

  [[nodiscard]] const DeviceFound& found() const { return *found_; }
  [[nodiscard]] cl_context context() const { return context_.get(); }
  [[nodiscard]] cl_command_queue queue() const { return queue_.get(); }
  [[nodiscard]] Result<> finish() const;

 private:
  const DeviceFound* found_ = nullptr;
  Context context_;
  Queue queue_;
};

// Device memory that the host sees while it is mapped; where the two share memory, nothing is copied.
class Buffer {
 public:
  // Makes sure of so many bytes; what was in it is gone if it grows.
  [[nodiscard]] Result<> reserve(const Driver& driver, std::size_t bytes);
  // All of it, to be written from scratch, or as the device left it.
  [[nodiscard]] Result<std::span<std::byte>> map(const Driver& driver, cl_map_flags how, std::size_t bytes);
  [[nodiscard]] Result<> unmap(const Driver& driver);
  [[nodiscard]] const cl_mem& memory() const { return handle_; }

 private:
  Memory memory_;
  cl_mem handle_ = nullptr;
  std::size_t size_ = 0;
  void* mapped_ = nullptr;
};

}  // namespace forager::jit::opencl
