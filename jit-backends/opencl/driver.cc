// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/driver.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string_view>

namespace forager::jit::opencl {
namespace {

struct StatusName {
  cl_int status;
  std::string_view name;
};
#define FORAGER_STATUS(name) {name, #name}
constexpr StatusName kStatusNames[] = {
    FORAGER_STATUS(CL_DEVICE_NOT_FOUND),        FORAGER_STATUS(CL_DEVICE_NOT_AVAILABLE),
    FORAGER_STATUS(CL_OUT_OF_RESOURCES),        FORAGER_STATUS(CL_OUT_OF_HOST_MEMORY),
    FORAGER_STATUS(CL_BUILD_PROGRAM_FAILURE),   FORAGER_STATUS(CL_MAP_FAILURE),
    FORAGER_STATUS(CL_INVALID_VALUE),           FORAGER_STATUS(CL_INVALID_BINARY),
    FORAGER_STATUS(CL_INVALID_KERNEL_NAME),     FORAGER_STATUS(CL_INVALID_BUFFER_SIZE),
    FORAGER_STATUS(CL_INVALID_WORK_GROUP_SIZE), FORAGER_STATUS(CL_MEM_OBJECT_ALLOCATION_FAILURE),
    FORAGER_STATUS(CL_INVALID_PLATFORM),        FORAGER_STATUS(CL_INVALID_DEVICE),
    FORAGER_STATUS(CL_INVALID_CONTEXT),         FORAGER_STATUS(CL_INVALID_QUEUE_PROPERTIES),
    FORAGER_STATUS(CL_INVALID_HOST_PTR),        FORAGER_STATUS(CL_INVALID_MEM_OBJECT),
    FORAGER_STATUS(CL_INVALID_PROGRAM),         FORAGER_STATUS(CL_INVALID_PROGRAM_EXECUTABLE),
    FORAGER_STATUS(CL_INVALID_BUILD_OPTIONS),   FORAGER_STATUS(CL_COMPILER_NOT_AVAILABLE),
    FORAGER_STATUS(CL_INVALID_KERNEL),          FORAGER_STATUS(CL_INVALID_KERNEL_ARGS),
    FORAGER_STATUS(CL_INVALID_ARG_VALUE),       FORAGER_STATUS(CL_INVALID_ARG_SIZE),
};
#undef FORAGER_STATUS

// What keeps us from using the device at all.
Result<> opened(const DeviceFound& found, const char* call, cl_int status) {
  if (status == CL_SUCCESS) return {};
  return fail(
      ErrorKind::system, ENODEV,
      fmt::format("OpenCL device {}: its driver ({}) fails: {}", found.name, found.driver, status_text(call, status)));
}

}  // namespace

std::string status_text(const char* call, cl_int status) {
  const auto* known = std::ranges::find(kStatusNames, status, &StatusName::status);
  return known == std::end(kStatusNames) ? fmt::format("{}: OpenCL error {}", call, status)
                                         : fmt::format("{}: {} ({})", call, known->name, status);
}

Result<> check(const char* call, cl_int status) {
  if (status == CL_SUCCESS) return {};
  return fail(ErrorKind::system, EIO, status_text(call, status));
}

Result<std::unique_ptr<Driver>> Driver::open(const DeviceFound& found) {
  auto driver = std::make_unique<Driver>();
  cl_int status = CL_SUCCESS;
  driver->found_ = &found;
  driver->context_ = Context(clCreateContext(nullptr, 1, &found.device, nullptr, nullptr, &status));
  if (auto made = opened(found, "clCreateContext", status); !made) return std::unexpected(made.error());
  driver->queue_ = Queue(clCreateCommandQueue(driver->context(), found.device, 0, &status));
  if (auto made = opened(found, "clCreateCommandQueue", status); !made) return std::unexpected(made.error());
  return driver;
}

Result<> Driver::finish() const { return check("clFinish", clFinish(queue())); }

Result<> Buffer::reserve(const Driver& driver, std::size_t bytes) {
  if (bytes <= size_) return {};
  if (bytes > driver.found().max_buffer_bytes) {
    auto error = fail(ErrorKind::limit, ENOMEM, "device memory in one piece, in bytes");
    error.error().limit = driver.found().max_buffer_bytes;
    error.error().asked = bytes;
    return error;
  }
  cl_int status = CL_SUCCESS;
  Memory memory(clCreateBuffer(driver.context(), CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, bytes, nullptr, &status));
  if (auto made = check("clCreateBuffer", status); !made) return made;
  memory_ = std::move(memory);
  handle_ = memory_.get();
  size_ = bytes;
  return {};
}

Result<std::span<std::byte>> Buffer::map(const Driver& driver, cl_map_flags how, std::size_t bytes) {
  cl_int status = CL_SUCCESS;
  mapped_ = clEnqueueMapBuffer(driver.queue(), handle_, CL_TRUE, how, 0, bytes, 0, nullptr, nullptr, &status);
  if (auto done = check("clEnqueueMapBuffer", status); !done) return std::unexpected(done.error());
  return std::span(static_cast<std::byte*>(mapped_), bytes);
}

Result<> Buffer::unmap(const Driver& driver) {
  void* mapped = std::exchange(mapped_, nullptr);
  return check("clEnqueueUnmapMemObject",
               clEnqueueUnmapMemObject(driver.queue(), handle_, mapped, 0, nullptr, nullptr));
}

}  // namespace forager::jit::opencl
