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
  for (Queue* queue : {&driver->kernels_, &driver->transfers_}) {
    *queue = Queue(clCreateCommandQueue(driver->context(), found.device, 0, &status));
    if (auto made = opened(found, "clCreateCommandQueue", status); !made) return std::unexpected(made.error());
  }
  return driver;
}

Result<> Driver::finish() const { return check("clFinish", clFinish(kernels())); }

Result<> Buffer::reserve(const Driver& driver, std::size_t bytes) {
  if (bytes <= size_) return {};
  return shared_ ? reserve_own(bytes) : reserve_there(driver, bytes);
}

Result<> Buffer::reserve_own(std::size_t bytes) {
  constexpr std::size_t kAlignment = 64;
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  own_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, bytes)));
  size_ = own_ == nullptr ? 0 : bytes;
  if (own_ != nullptr) return {};
  auto error = fail(ErrorKind::limit, ENOMEM, "memory for packets and maps, in bytes");
  error.error().asked = bytes;
  return error;
}

Result<> Buffer::reserve_there(const Driver& driver, std::size_t bytes) {
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
  return clear(driver);
}

// What nobody wrote is zero on all devices. Written by the host, since Oclgrind takes neither a fill nor a mapping that
// may also be read for writing.
Result<> Buffer::clear(const Driver& driver) {
  auto all = map(driver, CL_MAP_WRITE_INVALIDATE_REGION, size_);
  if (!all) return std::unexpected(std::move(all.error()));
  std::ranges::fill(*all, std::byte{0});
  return unmap(driver);
}

Result<std::span<std::byte>> Buffer::map(const Driver& driver, cl_map_flags how, std::size_t bytes) {
  if (shared_) return std::span(own_.get(), bytes);
  // A call that failed may have left it mapped.
  if (mapped_ != nullptr) {
    if (auto done = unmap(driver); !done) return std::unexpected(std::move(done.error()));
  }
  cl_int status = CL_SUCCESS;
  mapped_ = clEnqueueMapBuffer(driver.transfers(), handle_, CL_TRUE, how, 0, bytes, 0, nullptr, nullptr, &status);
  if (auto done = check("clEnqueueMapBuffer", status); !done) return std::unexpected(done.error());
  return std::span(static_cast<std::byte*>(mapped_), bytes);
}

Result<> Buffer::unmap(const Driver& driver) {
  if (shared_) return {};
  void* mapped = std::exchange(mapped_, nullptr);
  cl_event event = nullptr;
  const cl_int status = clEnqueueUnmapMemObject(driver.transfers(), handle_, mapped, 0, nullptr, &event);
  const Event done(event);
  if (auto sent = check("clEnqueueUnmapMemObject", status); !sent) return sent;
  return check("clWaitForEvents", clWaitForEvents(1, &event));
}

}  // namespace forager::jit::opencl
