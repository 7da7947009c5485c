# SPDX-License-Identifier: Apache-2.0
# Files that a generator of ours makes from the tables and that are checked in all the same, for those who read or use
# them without building.

# forager_products(GROUP TABLES): GROUP's generator is forager_GROUP_gen; forager_GROUP_bless rewrites its products.
function(forager_products group tables)
  add_custom_target(forager_${group}_fresh ALL)
  add_custom_target(forager_${group}_bless COMMENT "Rewriting the files generated from ${tables}")
  add_dependencies(forager_${group}_bless forager_${group}_fresh)
endfunction()

# forager_product(GROUP WHAT FILE): WHAT is made in the build directory; FILE is where it is checked in. Adds a test that
# the two are equal, and FILE to what forager_GROUP_bless rewrites.
function(forager_product group what file)
  cmake_path(GET file FILENAME name)
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/generated)
  set(fresh ${dir}/${name})
  add_custom_command(
    OUTPUT ${fresh}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${dir}
    COMMAND forager_${group}_gen ${what} > ${fresh}
    DEPENDS forager_${group}_gen VERBATIM)
  add_custom_target(forager_${group}_fresh_${what} DEPENDS ${fresh})
  add_dependencies(forager_${group}_fresh forager_${group}_fresh_${what})
  add_custom_command(TARGET forager_${group}_bless POST_BUILD
    COMMAND ${CMAKE_COMMAND} -E copy_if_different ${fresh} ${CMAKE_SOURCE_DIR}/${file} VERBATIM)
  if(FORAGER_TESTS)
    add_test(NAME ${group}_generated_${name}_is_fresh
             COMMAND ${CMAKE_COMMAND} -E compare_files ${fresh} ${CMAKE_SOURCE_DIR}/${file})
  endif()
endfunction()
