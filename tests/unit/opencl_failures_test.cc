// SPDX-License-Identifier: Apache-2.0
//
// A driver that fails in the middle of things: its calls are answered by this file, which fails the one that it is
// told to and leaves the others to the driver. Whatever fails, the run says which call it was, frames are the caller's
// again, and the device is as good as new.
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "opencl_testing.h"

namespace {

struct Plan {
  std::string_view call;  // that fails, ...
  int after = 0;          // ... once it has been called so often
  bool failed = false;
};
Plan plan;

bool fails(std::string_view call) {
  if (plan.failed || call != plan.call || plan.after-- > 0) return false;
  return plan.failed = true;
}

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// Calls that answer with a status, and such that answer with an object and leave the status elsewhere.
#define FORAGER_STATUS_CALL(name, parameters, arguments)                   \
  extern "C" cl_int CL_API_CALL name parameters {                          \
    if (fails(#name)) return CL_OUT_OF_RESOURCES;                          \
    static auto* const kNext = next<cl_int CL_API_CALL parameters>(#name); \
    return kNext arguments;                                                \
  }
#define FORAGER_OBJECT_CALL(type, name, parameters, arguments)           \
  extern "C" type CL_API_CALL name parameters {                          \
    if (fails(#name)) {                                                  \
      *status = CL_OUT_OF_RESOURCES;                                     \
      return nullptr;                                                    \
    }                                                                    \
    static auto* const kNext = next<type CL_API_CALL parameters>(#name); \
    return kNext arguments;                                              \
  }

FORAGER_STATUS_CALL(clEnqueueNDRangeKernel,
                    (cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t* offset,
                     const size_t* global, const size_t* local, cl_uint count, const cl_event* list, cl_event* event),
                    (queue, kernel, dimensions, offset, global, local, count, list, event))
FORAGER_STATUS_CALL(clSetKernelArg, (cl_kernel kernel, cl_uint index, size_t size, const void* value),
                    (kernel, index, size, value))
FORAGER_STATUS_CALL(clFlush, (cl_command_queue queue), (queue))
FORAGER_STATUS_CALL(clWaitForEvents, (cl_uint count, const cl_event* list), (count, list))
FORAGER_STATUS_CALL(clEnqueueUnmapMemObject,
                    (cl_command_queue queue, cl_mem memory, void* mapped, cl_uint count, const cl_event* list,
                     cl_event* event),
                    (queue, memory, mapped, count, list, event))
FORAGER_OBJECT_CALL(void*, clEnqueueMapBuffer,
                    (cl_command_queue queue, cl_mem buffer, cl_bool blocking, cl_map_flags flags, size_t offset,
                     size_t size, cl_uint count, const cl_event* list, cl_event* event, cl_int* status),
                    (queue, buffer, blocking, flags, offset, size, count, list, event, status))
FORAGER_OBJECT_CALL(cl_mem, clCreateBuffer,
                    (cl_context context, cl_mem_flags flags, size_t size, void* host, cl_int* status),
                    (context, flags, size, host, status))
FORAGER_OBJECT_CALL(cl_kernel, clCreateKernel, (cl_program program, const char* name, cl_int* status),
                    (program, name, status))
FORAGER_OBJECT_CALL(cl_command_queue, clCreateCommandQueue,
                    (cl_context context, cl_device_id device, cl_command_queue_properties properties, cl_int* status),
                    (context, device, properties, status))
FORAGER_OBJECT_CALL(cl_context, clCreateContext,
                    (const cl_context_properties* properties, cl_uint count, const cl_device_id* devices,
                     void(CL_CALLBACK* notify)(const char*, const void*, size_t, void*), void* data, cl_int* status),
                    (properties, count, devices, notify, data, status))

namespace forager::jit::opencl {
namespace {

using exec::testing::MapRef;
using exec::testing::Rig;

constexpr unsigned kPackets = 5'000;  // of several launches, where they travel
constexpr int kMostCalls = 24;

// Each packet adds itself to a count, and its number to the packet.
constexpr const char* kText =
    "r7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr0 = r7\nr0 += 16\nif r0 > r8 goto out\nr1 = *(u32 *)(r7 + 0)\n"
    "r1 += 7\n*(u64 *)(r7 + 8) = r1\nr2 = map[counts][0] + 0 ll\nr1 = 1\nlock *(u64 *)(r2 + 0) += r1\nout: r0 = 2\n"
    "exit";

struct Case {
  const char* call;
  bool copies;
};

class OpenclFailures : public testing::WithDevice, public ::testing::WithParamInterface<Case> {
 protected:
  void TearDown() override { plan = {}; }

  std::unique_ptr<exec::Device> open() {
    exec::DeviceOptions options{.environment = rig_.environment};
    options.offload.copies = GetParam().copies;
    options.offload.batch = 1000;
    auto device = opencl::backend().open(options);
    if (!device) return failed(device.error());
    if (auto loaded = (*device)->load(image_); !loaded) return failed(loaded.error());
    if (auto bound = (*device)->bind(0, counts_); !bound) return failed(bound.error());
    return std::move(*device);
  }
  std::unique_ptr<exec::Device> failed(const Diagnostic& error) {
    error_ = error.text();
    return nullptr;
  }

  [[nodiscard]] std::uint64_t count() const {
    std::uint64_t value = 0;
    const std::uint32_t key = 0;
    EXPECT_EQ(counts_->read(&key, &value, 0), 0);
    return value;
  }

  void expect_all_right(exec::Device& device) {
    auto frames = testing::numbered_packets(kPackets, 64);
    const std::uint64_t before = count();
    const auto ran = device.run(frames);
    ASSERT_TRUE(ran) << ran.error().text();
    EXPECT_EQ(count() - before, kPackets);
    for (std::uint32_t i = 0; i < kPackets; ++i) {
      std::uint64_t value = 0;
      std::memcpy(&value, frames[i].packet().data() + 8, sizeof value);
      ASSERT_EQ(value, i + 7);
      ASSERT_EQ(frames[i].return_value, 2U);
    }
  }

  // With the nth call: false if there are not so many.
  bool fail_at(int nth) {
    plan = {.call = GetParam().call, .after = nth};
    auto device = open();
    if (device == nullptr) {
      EXPECT_TRUE(plan.failed) << error_;
      EXPECT_THAT(error_, ::testing::HasSubstr(GetParam().call));
      return true;
    }
    auto frames = testing::numbered_packets(kPackets, 64);
    const auto ran = device->run(frames);
    const bool failed = plan.failed;
    EXPECT_EQ(ran.has_value(), !failed);
    if (!ran) {
      EXPECT_THAT(ran.error().text(), ::testing::HasSubstr(GetParam().call));
      EXPECT_EQ(ran.error().text().find('\n'), std::string::npos);
    }
    plan = {};
    expect_all_right(*device);
    return failed;
  }

  MapRef counts_ = exec::testing::make_array(8, 1, 0, "counts");
  Rig rig_{.maps = {counts_}};
  std::shared_ptr<const exec::Image> image_;
  std::string error_;
};

TEST_P(OpenclFailures, AreToldAndSurvived) {
  const auto program = exec::testing::verified(rig_, kText);
  ASSERT_NE(program, nullptr);
  const auto image = opencl::backend().compile(program, {});
  ASSERT_TRUE(image);
  image_ = *image;
  int calls = 0;
  while (calls < kMostCalls && fail_at(calls)) ++calls;
  EXPECT_GT(calls, 0) << GetParam().call << " is never called";
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char* call : {"clCreateContext", "clCreateCommandQueue", "clCreateKernel", "clSetKernelArg",
                           "clEnqueueNDRangeKernel", "clFlush", "clWaitForEvents"}) {
    all.push_back({call, false});
    all.push_back({call, true});
  }
  for (const char* call : {"clCreateBuffer", "clEnqueueMapBuffer", "clEnqueueUnmapMemObject"})
    all.push_back({call, true});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Calls, OpenclFailures, ::testing::ValuesIn(cases()), [](const auto& info) {
  return std::string(info.param.call) + (info.param.copies ? "_copies" : "_shared");
});

}  // namespace
}  // namespace forager::jit::opencl
