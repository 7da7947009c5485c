# SPDX-License-Identifier: Apache-2.0
# SystemVerilog as C++: a module that Verilator makes a model of.

find_program(FORAGER_VERILATOR verilator REQUIRED)

# Verilator's makefile names a compiler and an archiver of its own, whatever stands in the environment.
set(forager_model_flags -CFLAGS -O2\ -fPIC)
if(CMAKE_CROSSCOMPILING)
  set(forager_model_flags -CFLAGS -O2\ -fPIC\ --sysroot=${CMAKE_SYSROOT} -MAKEFLAGS CXX=${CMAKE_CXX_COMPILER}
                          -MAKEFLAGS AR=${CMAKE_AR})
endif()

# forager_verilate(NAME TOP SOURCES file... [OPTIONS option...]): the model of module TOP, as the library NAME whose
# header is V<TOP>.h. SOURCES in the order in which they are read: packages first. Warnings are the lint's business.
function(forager_verilate name top)
  cmake_parse_arguments(arg "" "" "SOURCES;OPTIONS" ${ARGN})
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/${name})
  add_custom_command(
    OUTPUT ${dir}/V${top}__ALL.a
    BYPRODUCTS ${dir}/V${top}.h
    COMMAND ${CMAKE_COMMAND} -E env OBJCACHE=${CMAKE_CXX_COMPILER_LAUNCHER}
            ${FORAGER_VERILATOR} --cc --build -O3 --x-assign fast --x-initial fast --noassert ${arg_OPTIONS}
            ${forager_model_flags} --Mdir ${dir} --top-module ${top} -Wno-fatal ${arg_SOURCES} > ${dir}.log
    DEPENDS ${arg_SOURCES} COMMENT "Verilating ${top}" VERBATIM)
  add_custom_target(${name}_verilated DEPENDS ${dir}/V${top}__ALL.a)
  add_library(${name} INTERFACE)
  add_dependencies(${name} ${name}_verilated)
  target_include_directories(${name} SYSTEM INTERFACE ${dir})
  target_link_libraries(${name} INTERFACE ${dir}/V${top}__ALL.a forager_verilator)
endfunction()
