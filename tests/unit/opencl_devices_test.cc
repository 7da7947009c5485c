// SPDX-License-Identifier: Apache-2.0
//
// Which OpenCL device is meant, what keeps one from use, and what is said where there is none.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "jit-backends/opencl/devices.h"
#include "jit-backends/opencl/driver.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

namespace fs = std::filesystem;

const std::array kDevices = {
    DeviceFound{.name = "pthread-EPYC", .lacks = ""}, DeviceFound{.name = "Aurora 770", .lacks = "it is big-endian"},
    DeviceFound{.name = "Aurora 780", .lacks = ""}, DeviceFound{.name = "Nebula 3", .lacks = ""}};

std::string chosen(std::string_view which, std::span<const DeviceFound> among = kDevices) {
  const auto device = choose_device(which, among);
  return device ? (*device)->name : device.error().text();
}

TEST(OpenclChoice, TakesNumbersAndPartsOfNames) {
  EXPECT_EQ(chosen(""), "pthread-EPYC");
  EXPECT_EQ(chosen("0"), "pthread-EPYC");
  EXPECT_EQ(chosen("3"), "Nebula 3");
  EXPECT_EQ(chosen("nebula"), "Nebula 3");
  EXPECT_EQ(chosen("aurora 78"), "Aurora 780");
}

TEST(OpenclChoice, PassesOverWhatLacksSomething) {
  EXPECT_EQ(chosen("", std::span(kDevices).subspan(1)), "Aurora 780");
  EXPECT_EQ(chosen("", std::span(kDevices).subspan(1, 1)), "OpenCL device Aurora 770: it is big-endian");
}

TEST(OpenclChoice, SaysWhatThereIs) {
  EXPECT_EQ(chosen("aurora"), "'aurora' may be several OpenCL devices: 1 (Aurora 770), 2 (Aurora 780)");
  EXPECT_EQ(chosen("4"),
            "no OpenCL device '4': there are 0 (pthread-EPYC), 1 (Aurora 770), 2 (Aurora 780), 3 (Nebula 3)");
  EXPECT_EQ(chosen("-1", std::span(kDevices).first(1)), "no OpenCL device '-1': there are 0 (pthread-EPYC)");
  EXPECT_THAT(chosen("780"), ::testing::StartsWith("no OpenCL device '780'"));  // digits alone are no part of a name
  EXPECT_EQ(chosen("1"), "OpenCL device Aurora 770: it is big-endian");
  EXPECT_EQ(chosen("99999999999999999999999", std::span(kDevices).first(1)),
            "no OpenCL device '99999999999999999999999': there are 0 (pthread-EPYC)");
}

TEST(OpenclChoice, TellsWrongInputFromWhatIsNotHere) {
  EXPECT_EQ(choose_device("aurora", kDevices).error().kind, ErrorKind::input);
  EXPECT_EQ(choose_device("4", kDevices).error().kind, ErrorKind::input);
  EXPECT_EQ(choose_device("1", kDevices).error().kind, ErrorKind::unsupported);
  EXPECT_EQ(choose_device("", {}).error().kind, ErrorKind::unsupported);
}

const DeviceTraits kWhole = {.version = "OpenCL 1.2 driver",
                             .profile = "FULL_PROFILE",
                             .extensions = "cl_khr_int64_base_atomics cl_khr_int64_extended_atomics"};

TEST(OpenclTraits, NamesAllThatIsMissing) {
  EXPECT_EQ(what_is_missing(kWhole), "");
  DeviceTraits newer = kWhole;
  newer.version = "OpenCL 3.0 driver";
  EXPECT_EQ(what_is_missing(newer), "");
  DeviceTraits older = kWhole;
  older.version = "OpenCL 1.1 driver";
  older.has_compiler = older.available = older.little_endian = false;
  EXPECT_EQ(
      what_is_missing(older),
      "it has OpenCL 1.1 driver, 1.2 is needed; it is not available; its driver has no compiler; it is big-endian");
}

TEST(OpenclTraits, TakesExtensionsByTheirWholeNames) {
  DeviceTraits one = kWhole;
  one.extensions = "cl_khr_int64_base_atomics_not cl_khr_int64_extended_atomics";
  EXPECT_EQ(what_is_missing(one), "it has no cl_khr_int64_base_atomics");
  DeviceTraits embedded = kWhole;
  embedded.profile = "EMBEDDED_PROFILE";
  EXPECT_EQ(what_is_missing(embedded), "it has no cles_khr_int64 (numbers of 64 bits)");
  embedded.extensions += " cles_khr_int64";
  EXPECT_EQ(what_is_missing(embedded), "");
}

TEST(OpenclTraits, SayWhyThereIsNoDevice) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("forager_vendors_{}", getpid());
  Surroundings around{.folder = folder.string()};
  EXPECT_EQ(why_no_device(around),
            "no OpenCL device: no driver is installed; Debian's pocl-opencl-icd makes a device of the processor");
  fs::create_directories(folder);
  std::ofstream(folder / "b.icd") << "libb.so";
  std::ofstream(folder / "a.icd") << "liba.so";
  std::ofstream(folder / "readme") << "nothing";
  EXPECT_THAT(why_no_device(around), ::testing::HasSubstr("(a.icd, b.icd) can be loaded"));
  fs::remove_all(folder);
  around.variable = "OCL_ICD_VENDORS";
  around.value = "/no/where";
  EXPECT_THAT(why_no_device(around), ::testing::HasSubstr("OCL_ICD_VENDORS is '/no/where', which leads to no driver"));
  around.platforms = {"Aurora", "Nebula"};
  EXPECT_THAT(why_no_device(around), ::testing::HasSubstr("the driver of Aurora, Nebula is there and shows none"));
}

TEST(OpenclDriver, SaysWhichDeviceFails) {
  const DeviceFound none{.name = "Aurora 780", .driver = "Aurora OpenCL 1.2"};
  const auto driver = Driver::open(none);
  ASSERT_FALSE(driver);
  EXPECT_THAT(
      driver.error().text(),
      ::testing::StartsWith("OpenCL device Aurora 780: its driver (Aurora OpenCL 1.2) fails: clCreateContext: CL_"));
}

using OpenclHere = testing::WithDevice;

TEST_F(OpenclHere, HasNamesAndMemory) {
  for (const DeviceFound& device : devices_found()) {
    EXPECT_NE(device.name, "");
    EXPECT_GT(device.memory_bytes, 0U);
    EXPECT_GE(device.memory_bytes, device.max_buffer_bytes);
  }
}

TEST_F(OpenclHere, OpensTheDeviceThatIsNamed) {
  const auto by_number = opencl::backend().open({.offload = {.device = "0"}});
  ASSERT_TRUE(by_number) << by_number.error().text();
  EXPECT_EQ((*by_number)->info().name, devices_found().front().name);
  const auto nobody = opencl::backend().open({.offload = {.device = "nobody"}});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().kind, ErrorKind::input);
}

TEST_F(OpenclHere, SharesMemoryWherePoclIsTheProcessor) {
  for (const DeviceFound& device : devices_found()) {
    if (device.driver.starts_with("Portable Computing Language") && device.is_cpu) {
      EXPECT_TRUE(device.shares_memory) << device.name;
    }
    if (device.driver.starts_with("Oclgrind")) {
      EXPECT_FALSE(device.shares_memory) << device.name;
    }
  }
}

}  // namespace
}  // namespace forager::jit::opencl
