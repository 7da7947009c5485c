# SPDX-License-Identifier: Apache-2.0
# The project's few build rules: one layer is one folder, one static library, one namespace.
include(CTest)

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 17)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(asmjit REQUIRED CONFIG)

# forager_options: what every target of ours is compiled with.
add_library(forager_options INTERFACE)
target_compile_options(forager_options INTERFACE -Wall -Wextra -Wpedantic -Wno-missing-field-initializers)
target_include_directories(forager_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/host
                                                     ${CMAKE_SOURCE_DIR}/host/include)
target_link_libraries(forager_options INTERFACE fmt::fmt Threads::Threads)

# forager_layer(NAME SOURCES ... DEPS ...): the static library forager_NAME.
function(forager_layer name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_library(forager_${name} STATIC ${arg_SOURCES})
  target_link_libraries(forager_${name} PUBLIC forager_options)
  foreach(dep IN LISTS arg_DEPS)
    target_link_libraries(forager_${name} PUBLIC ${dep})
  endforeach()
endfunction()

# forager_test(NAME SOURCES ... DEPS ... [LABELS ...]): a GoogleTest executable known to ctest.
function(forager_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} forager_options GTest::gmock GTest::gtest_main)
  # What is tested is optimised; optimising the assertions takes a third of a build's time.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  gtest_discover_tests(${name} PROPERTIES LABELS "${arg_LABELS}" DISCOVERY_TIMEOUT 60)
endfunction()
