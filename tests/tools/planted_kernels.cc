// SPDX-License-Identifier: Apache-2.0
//
// planted_kernels KERNEL...: runs kernels on the first OpenCL device, some of which do what tests/tools/oclgrind.sh has
// to find. It uses nothing of ours: what is tested is that the script would find it in whatever uses OpenCL. Each
// kernel has a context of its own, as each device of ours has.
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace {

constexpr std::size_t kWords = 4;  // of the buffer, and work-items
constexpr const char* kSource = R"(
__kernel void fine(__global ulong* words) { words[get_global_id(0)] = get_global_id(0); }
__kernel void writes_outside(__global ulong* words) { words[get_global_id(0) + 1] = 1; }
__kernel void reads_outside(__global ulong* words) { words[0] = words[get_global_size(0)]; }
__kernel void reads_unwritten(__global ulong* words) {
  ulong local_words[4];
  local_words[get_global_id(0)] = 1;
  words[get_global_id(0)] = local_words[3 - get_global_id(0)];
}
__kernel void races(__global ulong* words) { words[0] += 1; }
__kernel void races_as_declared(__global ulong* words) {
  words[0] += 1;  // races: for the test
}
__kernel void is_declared_and_wrong(__global ulong* words) {
  words[one_more(get_global_id(0))] = 1;  // races: no excuse for anything else
}
)";
constexpr const char* kPrelude = "inline static ulong one_more(ulong id) { return id + 1; }\n";

// Ends the process with the call that failed.
void need(cl_int status, const char* call) {
  if (status == CL_SUCCESS) return;
  std::fprintf(stderr, "planted_kernels: %s: %d\n", call, status);
  std::exit(3);
}

cl_device_id first_device() {
  cl_platform_id platform = nullptr;
  cl_device_id device = nullptr;
  need(clGetPlatformIDs(1, &platform, nullptr), "clGetPlatformIDs");
  need(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr), "clGetDeviceIDs");
  return device;
}

cl_kernel build(cl_context context, cl_device_id device, const char* name) {
  cl_int status = CL_SUCCESS;
  std::array parts = {kPrelude, kSource};
  cl_program program = clCreateProgramWithSource(context, parts.size(), parts.data(), nullptr, &status);
  need(status, "clCreateProgramWithSource");
  need(clBuildProgram(program, 1, &device, "-cl-std=CL1.2", nullptr, nullptr), "clBuildProgram");
  cl_kernel kernel = clCreateKernel(program, name, &status);
  need(status, "clCreateKernel");
  need(clReleaseProgram(program), "clReleaseProgram");
  return kernel;
}

cl_mem zeros(cl_context context) {
  cl_int status = CL_SUCCESS;
  std::array<std::uint64_t, kWords> words{};
  cl_mem buffer =
      clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, sizeof words, words.data(), &status);
  need(status, "clCreateBuffer");
  return buffer;
}

void run(cl_device_id device, const char* name) {
  cl_int status = CL_SUCCESS;
  cl_context context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &status);
  need(status, "clCreateContext");
  cl_command_queue queue = clCreateCommandQueue(context, device, 0, &status);
  need(status, "clCreateCommandQueue");
  cl_kernel kernel = build(context, device, name);
  cl_mem buffer = zeros(context);
  need(clSetKernelArg(kernel, 0, sizeof(cl_mem), static_cast<void*>(&buffer)), "clSetKernelArg");
  const std::size_t items = kWords, group = 1;
  need(clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &items, &group, 0, nullptr, nullptr),
       "clEnqueueNDRangeKernel");
  need(clFinish(queue), "clFinish");
  clReleaseMemObject(buffer);
  clReleaseKernel(kernel);
  clReleaseCommandQueue(queue);
  clReleaseContext(context);
}

}  // namespace

int main(int argc, char** argv) {
  for (const char* name : std::span(argv, static_cast<std::size_t>(argc)).subspan(1)) run(first_device(), name);
  return 0;
}
