// SPDX-License-Identifier: Apache-2.0
//
// Driver: what we hold at a device (devices.h). Everything that can fail says which call did, and how.
//
// Tested by: tests/unit/opencl_device_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
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
using Event = Owned<cl_event, clReleaseEvent>;

// "clBuildProgram: CL_BUILD_PROGRAM_FAILURE (-11)".
[[nodiscard]] std::string status_text(const char* call, cl_int status);
[[nodiscard]] Result<> check(const char* call, cl_int status);

// A device with queues of its own: one for kernels, which run one after the other, one for memory that goes to and fro
// meanwhile.
class Driver {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Driver>> open(const DeviceFound& found);

  [[nodiscard]] const DeviceFound& found() const { return *found_; }
  [[nodiscard]] cl_context context() const { return context_.get(); }
  [[nodiscard]] cl_command_queue kernels() const { return kernels_.get(); }
  [[nodiscard]] cl_command_queue transfers() const { return transfers_.get(); }
  [[nodiscard]] Result<> finish() const;

 private:
  const DeviceFound* found_ = nullptr;
  Context context_;
  Queue kernels_, transfers_;
};

// Memory that host and device use by turns. Where the device shares the host's, it is the host's own, at one address
// for both; elsewhere the device's, which the host sees while it is mapped.
class Buffer {
 public:
  explicit Buffer(bool shared) : shared_(shared) {}
  // Makes sure of so many bytes; what was in it is gone if it grows.
  [[nodiscard]] Result<> reserve(const Driver& driver, std::size_t bytes);
  // All of it, to be written from scratch, or as the device left it.
  [[nodiscard]] Result<std::span<std::byte>> map(const Driver& driver, cl_map_flags how, std::size_t bytes);
  [[nodiscard]] Result<> unmap(const Driver& driver);
  // As an argument of kernels; null if it is the host's.
  [[nodiscard]] const cl_mem& memory() const { return handle_; }
  // For kernels; 0 if it is the device's.
  [[nodiscard]] std::uint64_t address() const { return reinterpret_cast<std::uintptr_t>(own_.get()); }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };

  [[nodiscard]] Result<> reserve_own(std::size_t bytes);
  [[nodiscard]] Result<> reserve_there(const Driver& driver, std::size_t bytes);
  [[nodiscard]] Result<> clear(const Driver& driver);

  bool shared_;
  std::unique_ptr<std::byte[], Free> own_;
  Memory memory_;
  cl_mem handle_ = nullptr;
  std::size_t size_ = 0;
  void* mapped_ = nullptr;
};

}  // namespace forager::jit::opencl
