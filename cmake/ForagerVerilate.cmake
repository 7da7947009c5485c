# SPDX-License-Identifier: Apache-2.0
# SystemVerilog as C++: a module that Verilator makes a model of.

find_program(FORAGER_VERILATOR verilator)
if(NOT FORAGER_VERILATOR)
  message(FATAL_ERROR "verilator 5 is needed, which makes C++ of the hardware: install Debian's package verilator")
endif()

# forager_verilate(NAME TOP SOURCES file... [OPTIONS option...] [PREFIX class]): the model of module TOP, as the library NAME
# whose header is V<TOP>.h, or that of the class. SOURCES in the order in which they are read: packages first. Warnings are the lint's business.
# FORAGER_SIMULATION is defined for what Verilator computes quicker in other words.
# The model is one source of ours to compile, so that it is compiled as everything is (another processor, ccache).
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
  add_library(${name} STATIC ${dir}/all.cc)
  target_include_directories(${name} SYSTEM PUBLIC ${dir})
  target_compile_options(${name} PRIVATE -w)
  target_link_libraries(${name} PUBLIC forager_verilator)
endfunction()
