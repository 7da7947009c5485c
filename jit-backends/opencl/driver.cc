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
};
#undef FORAGER_STATUS

template <class T>
T device_value(cl_device_id device, cl_device_info what) {
  T value{};
  clGetDeviceInfo(device, what, sizeof value, &value, nullptr);
  return value;
}

std::string device_text(cl_device_id device, cl_device_info what) {
  std::size_t bytes = 0;
  if (clGetDeviceInfo(device, what, 0, nullptr, &bytes) != CL_SUCCESS || bytes == 0) return {};
  std::string text(bytes, '\0');
  clGetDeviceInfo(device, what, bytes, text.data(), nullptr);
  text.resize(bytes - 1);
  return text;
}

std::string platform_text(cl_platform_id platform, cl_platform_info what) {
  std::size_t bytes = 0;
  if (clGetPlatformInfo(platform, what, 0, nullptr, &bytes) != CL_SUCCESS || bytes == 0) return {};
  std::string text(bytes, '\0');
  clGetPlatformInfo(platform, what, bytes, text.data(), nullptr);
  text.resize(bytes - 1);
  return text;
}

// "OpenCL 1.1 ..." and older.
bool is_too_old(const std::string& version) {
  constexpr std::string_view kOld[] = {"OpenCL 1.0", "OpenCL 1.1"};
  return std::ranges::any_of(kOld, [&](std::string_view old) { return version.starts_with(old); });
}

std::string what_is_missing(cl_device_id device) {
  const std::string extensions = " " + device_text(device, CL_DEVICE_EXTENSIONS) + " ";
  const std::string version = device_text(device, CL_DEVICE_VERSION);
  if (is_too_old(version)) return fmt::format("it has {}, 1.2 is needed", version);
  if (device_value<cl_bool>(device, CL_DEVICE_AVAILABLE) == CL_FALSE) return "it is not available";
  if (device_value<cl_bool>(device, CL_DEVICE_COMPILER_AVAILABLE) == CL_FALSE) return "its driver has no compiler";
  if (device_value<cl_bool>(device, CL_DEVICE_ENDIAN_LITTLE) == CL_FALSE) return "it is big-endian";
  for (const char* needed : {"cl_khr_int64_base_atomics", "cl_khr_int64_extended_atomics"}) {
    if (!extensions.contains(fmt::format(" {} ", needed))) return fmt::format("it has no {}", needed);
  }
  return {};
}

// Of OpenCL 2.0, whose names are not in the headers of 1.2.
constexpr cl_device_info kSvmCapabilities = 0x1053;
constexpr cl_bitfield kSvmFineGrainSystem = 1U << 3;

bool is_cpu(cl_device_id device) {
  return (device_value<cl_device_type>(device, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_CPU) != 0;
}

// The device says so; or it is PoCL's processor, whose kernels are functions of this process.
bool shares_memory(cl_platform_id platform, cl_device_id device) {
  if (platform_text(platform, CL_PLATFORM_NAME) == "Portable Computing Language" && is_cpu(device)) return true;
  const std::string version = device_text(device, CL_DEVICE_VERSION);
  if (is_too_old(version) || version.starts_with("OpenCL 1.2")) return false;
  return (device_value<cl_bitfield>(device, kSvmCapabilities) & kSvmFineGrainSystem) != 0;
}

DeviceFound describe(cl_platform_id platform, cl_device_id device) {
  return {.platform = platform,
          .device = device,
          .name = device_text(device, CL_DEVICE_NAME),
          .driver = fmt::format("{} {}, {}", platform_text(platform, CL_PLATFORM_NAME),
                                platform_text(platform, CL_PLATFORM_VERSION), device_text(device, CL_DRIVER_VERSION)),
          .lacks = what_is_missing(device),
          .is_cpu = is_cpu(device),
          .units = std::max(device_value<cl_uint>(device, CL_DEVICE_MAX_COMPUTE_UNITS), 1U),
          .memory_bytes = device_value<cl_ulong>(device, CL_DEVICE_GLOBAL_MEM_SIZE),
          .max_buffer_bytes = device_value<cl_ulong>(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE),
          .host_unified = device_value<cl_bool>(device, CL_DEVICE_HOST_UNIFIED_MEMORY) == CL_TRUE,
          .shares_memory = shares_memory(platform, device)};
}

std::vector<DeviceFound> look() {
  std::vector<DeviceFound> found;
  cl_uint platforms = 0;
  if (clGetPlatformIDs(0, nullptr, &platforms) != CL_SUCCESS) return found;
  std::vector<cl_platform_id> all(platforms);
  clGetPlatformIDs(platforms, all.data(), nullptr);
  for (cl_platform_id platform : all) {
    cl_uint count = 0;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count) != CL_SUCCESS) continue;
    std::vector<cl_device_id> devices(count);
    clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices.data(), nullptr);
    for (cl_device_id device : devices) found.push_back(describe(platform, device));
  }
  return found;
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

const std::vector<DeviceFound>& devices_found() {
  static const std::vector<DeviceFound> kFound = look();
  return kFound;
}

const DeviceFound* usable_device(std::string& reason) {
  for (const DeviceFound& found : devices_found()) {
    if (found.lacks.empty()) return &found;
    if (reason.empty()) reason = fmt::format("OpenCL device {}: {}", found.name, found.lacks);
  }
  if (devices_found().empty()) reason = "no OpenCL device; Debian's pocl-opencl-icd makes one of the processor";
  return nullptr;
}

Result<std::unique_ptr<Driver>> Driver::open(const DeviceFound& found) {
  auto driver = std::make_unique<Driver>();
  cl_int status = CL_SUCCESS;
  driver->found_ = &found;
  driver->context_ = Context(clCreateContext(nullptr, 1, &found.device, nullptr, nullptr, &status));
  if (auto made = check("clCreateContext", status); !made) return std::unexpected(made.error());
  driver->queue_ = Queue(clCreateCommandQueue(driver->context(), found.device, 0, &status));
  if (auto made = check("clCreateCommandQueue", status); !made) return std::unexpected(made.error());
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
  memory_ =
      Memory(clCreateBuffer(driver.context(), CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, bytes, nullptr, &status));
  if (auto made = check("clCreateBuffer", status); !made) return made;
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
