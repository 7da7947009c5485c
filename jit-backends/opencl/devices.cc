// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/devices.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <numeric>

#include "jit-backends/opencl/build.h"

namespace forager::jit::opencl {
namespace {

namespace fs = std::filesystem;

// Where OpenCL's loaders look for drivers.
constexpr const char* kVendorsFolder = "/etc/OpenCL/vendors";

// ---- what a device says of itself ----------------------------------------------------------------------------------

template <class T>
T device_value(cl_device_id device, cl_device_info what) {
  T value{};
  clGetDeviceInfo(device, what, sizeof value, &value, nullptr);
  return value;
}

// `ask` is clGetDeviceInfo or clGetPlatformInfo for one of their texts.
template <class Ask>
std::string text_of(Ask ask) {
  std::size_t bytes = 0;
  if (ask(std::size_t{0}, nullptr, &bytes) != CL_SUCCESS || bytes == 0) return {};
  std::string text(bytes, '\0');
  ask(bytes, text.data(), nullptr);
  return text.substr(0, text.find('\0'));
}
std::string device_text(cl_device_id device, cl_device_info what) {
  return text_of(
      [=](std::size_t size, char* to, std::size_t* needed) { return clGetDeviceInfo(device, what, size, to, needed); });
}
std::string platform_text(cl_platform_id platform, cl_platform_info what) {
  return text_of([=](std::size_t size, char* to, std::size_t* needed) {
    return clGetPlatformInfo(platform, what, size, to, needed);
  });
}

// "OpenCL 1.2 ..." is of `least` "OpenCL 1.2"; versions have one digit before the point and one behind.
bool is_at_least(std::string_view version, std::string_view least) { return version.substr(0, least.size()) >= least; }

bool has_word(std::string_view words, std::string_view word) {
  return fmt::format(" {} ", words).contains(fmt::format(" {} ", word));
}

DeviceTraits traits_of(cl_device_id device) {
  return {.version = device_text(device, CL_DEVICE_VERSION),
          .profile = device_text(device, CL_DEVICE_PROFILE),
          .extensions = device_text(device, CL_DEVICE_EXTENSIONS),
          .available = device_value<cl_bool>(device, CL_DEVICE_AVAILABLE) == CL_TRUE,
          .has_compiler = device_value<cl_bool>(device, CL_DEVICE_COMPILER_AVAILABLE) == CL_TRUE,
          .little_endian = device_value<cl_bool>(device, CL_DEVICE_ENDIAN_LITTLE) == CL_TRUE};
}

bool is_cpu(cl_device_id device) {
  return (device_value<cl_device_type>(device, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_CPU) != 0;
}

// Of OpenCL 2.0, whose names are not in the headers of 1.2.
constexpr cl_device_info kSvmCapabilities = 0x1053;
constexpr cl_bitfield kSvmFineGrainSystem = 1U << 3;

// The device says so; or it is PoCL's processor, whose kernels are functions of this process.
bool shares_memory(cl_platform_id platform, cl_device_id device) {
  if (platform_text(platform, CL_PLATFORM_NAME) == "Portable Computing Language" && is_cpu(device)) return true;
  if (!is_at_least(device_text(device, CL_DEVICE_VERSION), "OpenCL 2.0")) return false;
  return (device_value<cl_bitfield>(device, kSvmCapabilities) & kSvmFineGrainSystem) != 0;
}

DeviceFound describe(cl_platform_id platform, cl_device_id device) {
  return {.platform = platform,
          .device = device,
          .name = device_text(device, CL_DEVICE_NAME),
          .driver = fmt::format("{} {}, {}", platform_text(platform, CL_PLATFORM_NAME),
                                platform_text(platform, CL_PLATFORM_VERSION), device_text(device, CL_DRIVER_VERSION)),
          .lacks = what_is_missing(traits_of(device)),
          .is_cpu = is_cpu(device),
          .units = std::max(device_value<cl_uint>(device, CL_DEVICE_MAX_COMPUTE_UNITS), 1U),
          .memory_bytes = device_value<cl_ulong>(device, CL_DEVICE_GLOBAL_MEM_SIZE),
          .max_buffer_bytes = device_value<cl_ulong>(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE),
          .host_unified = device_value<cl_bool>(device, CL_DEVICE_HOST_UNIFIED_MEMORY) == CL_TRUE,
          .shares_memory = shares_memory(platform, device)};
}

std::vector<cl_platform_id> platforms_here() {
  cl_uint count = 0;
  if (clGetPlatformIDs(0, nullptr, &count) != CL_SUCCESS) return {};
  std::vector<cl_platform_id> all(count);
  clGetPlatformIDs(count, all.data(), nullptr);
  return all;
}

std::vector<DeviceFound> look() {
  std::vector<DeviceFound> found;
  for (cl_platform_id platform : platforms_here()) {
    cl_uint count = 0;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count) != CL_SUCCESS) continue;
    std::vector<cl_device_id> devices(count);
    clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices.data(), nullptr);
    for (cl_device_id device : devices) found.push_back(describe(platform, device));
  }
  return found;
}

Surroundings surroundings() {
  const Places told = places();
  Surroundings around{.variable = told.variable, .value = told.value, .folder = kVendorsFolder};
  for (cl_platform_id platform : platforms_here())
    around.platforms.push_back(platform_text(platform, CL_PLATFORM_NAME));
  return around;
}

// ---- which is meant ------------------------------------------------------------------------------------------------

std::string in_lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

bool is_number(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// The largest there is for one that is too large.
std::size_t number_in(std::string_view digits) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc{} ? number : SIZE_MAX;
}

// By their places in `among`. Digits alone are a place, and never a part of a name: most names have digits.
std::vector<std::size_t> meant_by(std::string_view which, std::span<const DeviceFound> among) {
  std::vector<std::size_t> out;
  if (is_number(which)) {
    const std::size_t number = number_in(which);
    return number < among.size() ? std::vector{number} : out;
  }
  for (std::size_t i = 0; i < among.size(); ++i) {
    if (in_lower_case(among[i].name).contains(in_lower_case(which))) out.push_back(i);
  }
  return out;
}

// "0 (this one), 1 (that one)".
std::string list_of(std::span<const std::size_t> places, std::span<const DeviceFound> among) {
  std::string out;
  for (const std::size_t i : places) out += fmt::format("{}{} ({})", out.empty() ? "" : ", ", i, among[i].name);
  return out;
}

Result<const DeviceFound*> usable(const DeviceFound& device) {
  if (device.lacks.empty()) return &device;
  return fail(ErrorKind::unsupported, ENODEV, fmt::format("OpenCL device {}: {}", device.name, device.lacks));
}

Result<const DeviceFound*> first_usable(std::span<const DeviceFound> among) {
  const auto found = std::ranges::find_if(among, [](const DeviceFound& device) { return device.lacks.empty(); });
  return usable(found == among.end() ? among.front() : *found);
}

std::string drivers_named_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".icd") names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::string what_is_missing(const DeviceTraits& traits) {
  std::vector<std::string> missing;
  const auto need = [&](bool there, std::string otherwise) {
    if (!there) missing.push_back(std::move(otherwise));
  };
  need(is_at_least(traits.version, "OpenCL 1.2"), fmt::format("it has {}, 1.2 is needed", traits.version));
  need(traits.available, "it is not available");
  need(traits.has_compiler, "its driver has no compiler");
  need(traits.little_endian, "it is big-endian");
  // What is an extension there is part of the full profile.
  need(traits.profile != "EMBEDDED_PROFILE" || has_word(traits.extensions, "cles_khr_int64"),
       "it has no cles_khr_int64 (numbers of 64 bits)");
  for (const char* atomics : {"cl_khr_int64_base_atomics", "cl_khr_int64_extended_atomics"})
    need(has_word(traits.extensions, atomics), fmt::format("it has no {}", atomics));
  return fmt::format("{}", fmt::join(missing, "; "));
}

std::string why_no_device(const Surroundings& around) {
  if (!around.platforms.empty())
    return fmt::format(
        "no OpenCL device: the driver of {} is there and shows none; its settings in the environment may be why",
        fmt::join(around.platforms, ", "));
  if (!around.variable.empty())
    return fmt::format("no OpenCL device: {} is '{}', which leads to no driver that can be loaded", around.variable,
                       around.value);
  if (const std::string named = drivers_named_in(around.folder); !named.empty())
    return fmt::format("no OpenCL device: no driver that {} names ({}) can be loaded", around.folder, named);
  return "no OpenCL device: no driver is installed; Debian's pocl-opencl-icd makes a device of the processor";
}

const std::vector<DeviceFound>& devices_found() {
  static const std::vector<DeviceFound> kFound = look();
  return kFound;
}

Result<const DeviceFound*> choose_device(std::string_view which, std::span<const DeviceFound> among) {
  if (among.empty()) return fail(ErrorKind::unsupported, ENODEV, why_no_device(surroundings()));
  if (which.empty()) return first_usable(among);
  const auto candidates = meant_by(which, among);
  if (candidates.size() == 1) return usable(among[candidates.front()]);
  if (!candidates.empty())
    return fail(ErrorKind::input, EINVAL,
                fmt::format("'{}' may be several OpenCL devices: {}", which, list_of(candidates, among)));
  std::vector<std::size_t> all(among.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return fail(ErrorKind::input, ENODEV, fmt::format("no OpenCL device '{}': there are {}", which, list_of(all, among)));
}

Result<const DeviceFound*> choose_device(std::string_view which) { return choose_device(which, devices_found()); }

const DeviceFound* usable_device(std::string& reason) {
  const auto chosen = choose_device({});
  if (chosen) return *chosen;
  reason = chosen.error().message;
  return nullptr;
}

}  // namespace forager::jit::opencl
