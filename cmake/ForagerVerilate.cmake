# SPDX-License-Identifier: Apache-2.0
# SystemVerilog as C++: a module that Verilator makes a model of.

find_program(FORAGER_VERILATOR verilator)
if(NOT FORAGER_VERILATOR)
  message(FATAL_ERROR "verilator 5 is needed, which makes C++ of the hardware: install Debian's package verilator")
endif()
execute_process(COMMAND ${FORAGER_VERILATOR} --getenv VERILATOR_ROOT OUTPUT_VARIABLE verilator_root
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

# forager_verilate(NAME TOP SOURCES file... [OPTIONS option...] [PREFIX class]): the model of module TOP, as the library NAME
# whose header is V<TOP>.h, or that of the class. SOURCES in the order in which they are read: packages first. Warnings are the lint's business.
# FORAGER_SIMULATION is defined for what Verilator computes quicker in other words.
# The model is one source of ours to compile, so that another processor's compiler and ccache have it too.
function(forager_verilate name top)
  cmake_parse_arguments(arg "" "PREFIX" "SOURCES;OPTIONS" ${ARGN})
  if(NOT arg_PREFIX)
    set(arg_PREFIX V${top})
  endif()
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/${name})
  add_custom_command(
    OUTPUT ${dir}/all.cc
    BYPRODUCTS ${dir}/${arg_PREFIX}.h
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${dir}
    COMMAND ${FORAGER_VERILATOR} --cc -O3 --x-assign fast --x-initial fast --noassert -DFORAGER_SIMULATION ${arg_OPTIONS} --Mdir ${dir}
            --top-module ${top} --prefix ${arg_PREFIX} -Wno-fatal ${arg_SOURCES} > ${dir}.log
    COMMAND sh -c "cd ${dir} && for part in V*.cpp; do echo \"#include \\\"$part\\\"\"; done > all.cc"
    DEPENDS ${arg_SOURCES} COMMENT "Verilating ${name}" VERBATIM)
  forager_verilated_library(${name} ${dir})
  target_include_directories(${name} SYSTEM PUBLIC ${dir})
  target_link_libraries(${name} PUBLIC forager_verilator)
endfunction()

# Clang's code for models runs a sixth faster than that of g++. So it compiles them wherever what is built is to be fast, and
# for this machine.
find_program(FORAGER_MODEL_COMPILER clang++-19)
if(CMAKE_CROSSCOMPILING OR NOT CMAKE_BUILD_TYPE STREQUAL Release)
  set(FORAGER_MODEL_COMPILER FORAGER_MODEL_COMPILER-NOTFOUND)
endif()

function(forager_verilated_library name dir)
  if(NOT FORAGER_MODEL_COMPILER)
    add_library(${name} STATIC ${dir}/all.cc)
    target_compile_options(${name} PRIVATE -w)
    return()
  endif()
  add_custom_command(
    OUTPUT ${dir}.o
    COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${FORAGER_MODEL_COMPILER} -std=c++20 -O3 -DNDEBUG -fPIC -w -isystem ${dir}
            -isystem ${verilator_root}/include -isystem ${verilator_root}/include/vltstd -c ${dir}/all.cc -o ${dir}.o
    DEPENDS ${dir}/all.cc COMMENT "Compiling ${name}" VERBATIM)
  add_library(${name} STATIC ${dir}.o)
  # TARGET_OBJECTS does not name an object that somebody else made (ForagerPackage.cmake).
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX FORAGER_OBJECT ${dir}.o)
endfunction()
