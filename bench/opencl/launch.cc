// SPDX-License-Identifier: Apache-2.0
#include "bench/opencl/launch.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <functional>

namespace forager::bench {
namespace {

constexpr int kWarm = 50, kTimes = 1000, kChain = 16;
constexpr const char* kSource =
    "__kernel void nothing(__global uint* at) { if (at[get_global_id(0)] == 1) at[0] = 2; }";

class Bare {
 public:
  Bare() = default;
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;
  ~Bare() {
    if (memory_ != nullptr) clReleaseMemObject(memory_);
    if (kernel_ != nullptr) clReleaseKernel(kernel_);
    if (program_ != nullptr) clReleaseProgram(program_);
    if (queue_ != nullptr) clReleaseCommandQueue(queue_);
    if (context_ != nullptr) clReleaseContext(context_);
  }

  // What OpenCL said.
  cl_int open() {
    cl_platform_id platform = nullptr;
    cl_device_id device = nullptr;
    cl_int status = clGetPlatformIDs(1, &platform, nullptr);
    if (status == CL_SUCCESS) status = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr);
    if (status == CL_SUCCESS) context_ = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &status);
    if (status == CL_SUCCESS) queue_ = clCreateCommandQueue(context_, device, 0, &status);
    const char* source = kSource;
    if (status == CL_SUCCESS) program_ = clCreateProgramWithSource(context_, 1, &source, nullptr, &status);
    if (status == CL_SUCCESS) status = clBuildProgram(program_, 1, &device, "-cl-std=CL1.2", nullptr, nullptr);
    if (status == CL_SUCCESS) kernel_ = clCreateKernel(program_, "nothing", &status);
    if (status == CL_SUCCESS) memory_ = clCreateBuffer(context_, CL_MEM_ALLOC_HOST_PTR, kBytes, nullptr, &status);
    if (status == CL_SUCCESS) status = clSetKernelArg(kernel_, 0, sizeof(cl_mem), static_cast<const void*>(&memory_));
    return status;
  }

  void finish(unsigned groups) {
    send(groups, nullptr, nullptr);
    clFinish(queue_);
  }
  void flush_wait(unsigned groups) {
    cl_event done = nullptr;
    send(groups, nullptr, &done);
    clFlush(queue_);
    clWaitForEvents(1, &done);
    clReleaseEvent(done);
  }
  // Asks until it is done, without sleeping.
  void poll(unsigned groups) {
    cl_event done = nullptr;
    send(groups, nullptr, &done);
    clFlush(queue_);
    cl_int state = CL_QUEUED;
    while (state > CL_COMPLETE) {
      clGetEventInfo(done, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, nullptr);
    }
    clReleaseEvent(done);
  }
  void chain(unsigned groups) {
    for (int i = 0; i < kChain; ++i) send(groups, nullptr, nullptr);
    clFinish(queue_);
  }
  // It stands in the queue already, and waits for the host's event alone.
  void prepare_gate(unsigned groups) {
    gate_ = clCreateUserEvent(context_, nullptr);
    send(groups, &gate_, &done_);
    clFlush(queue_);
  }
  void open_gate() {
    clSetUserEventStatus(gate_, CL_COMPLETE);
    clWaitForEvents(1, &done_);
  }
  void drop_gate() {
    clReleaseEvent(done_);
    clReleaseEvent(gate_);
  }
  void map_unmap() {
    void* at = clEnqueueMapBuffer(queue_, memory_, CL_TRUE, CL_MAP_WRITE, 0, kBytes, 0, nullptr, nullptr, nullptr);
    clEnqueueUnmapMemObject(queue_, memory_, at, 0, nullptr, nullptr);
    clFinish(queue_);
  }

 private:
  static constexpr std::size_t kBytes = 4096;

  void send(unsigned groups, const cl_event* after, cl_event* done) {
    const std::size_t global = groups, local = 1;
    clEnqueueNDRangeKernel(queue_, kernel_, 1, nullptr, &global, &local, after == nullptr ? 0 : 1, after, done);
  }

  cl_context context_ = nullptr;
  cl_command_queue queue_ = nullptr;
  cl_program program_ = nullptr;
  cl_kernel kernel_ = nullptr;
  cl_mem memory_ = nullptr;
  cl_event gate_ = nullptr, done_ = nullptr;
};

using Step = std::function<void()>;

Spread time(const Step& before, const Step& timed, const Step& after) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> us;
  for (int i = -kWarm; i < kTimes; ++i) {
    if (before) before();
    const auto begin = Clock::now();
    timed();
    const std::chrono::duration<double, std::micro> took = Clock::now() - begin;
    if (after) after();
    if (i >= 0) us.push_back(took.count());
  }
  return spread_of(std::move(us));
}

std::vector<LaunchFigure> figures_of(Bare& bare, unsigned groups) {
  const auto row = [&](const char* way, const Step& timed) { return LaunchFigure{way, groups, time({}, timed, {})}; };
  std::vector<LaunchFigure> figures = {
      row("finish", [&] { bare.finish(groups); }), row("flush_wait", [&] { bare.flush_wait(groups); }),
      row("poll", [&] { bare.poll(groups); }), row("chain", [&] { bare.chain(groups); })};
  figures.back().us.median /= kChain;
  const Spread gate = time([&] { bare.prepare_gate(groups); }, [&] { bare.open_gate(); }, [&] { bare.drop_gate(); });
  figures.push_back({"user_event", groups, gate});
  return figures;
}

}  // namespace

Result<std::vector<LaunchFigure>> measure_launches() {
  Bare bare;
  if (const cl_int status = bare.open(); status != CL_SUCCESS) {
    return fail(ErrorKind::unsupported, ENODEV,
                fmt::format("no OpenCL device to launch on (OpenCL's error {})", status));
  }
  std::vector<LaunchFigure> figures;
  for (const unsigned groups : {1U, 2U}) {
    const auto more = figures_of(bare, groups);
    figures.insert(figures.end(), more.begin(), more.end());
  }
  figures.push_back({"map_unmap", 0, time({}, [&] { bare.map_unmap(); }, {})});
  return figures;
}

}  // namespace forager::bench
