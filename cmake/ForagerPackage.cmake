# SPDX-License-Identifier: Apache-2.0
#
# The installed package: one archive libforager.a that holds every layer, the public headers, and what find_package()
# needs. One archive, because the layers are ours and not the user's business.

# forager_layers_of(TARGET OUTPUT): TARGET and all targets of ours that it links, directly or not, which have objects.
function(forager_layers_of target output)
  set(waiting ${target})
  set(seen)
  set(found)
  while(waiting)
    list(POP_FRONT waiting next)
    if(NOT TARGET ${next} OR next IN_LIST seen)
      continue()
    endif()
    list(APPEND seen ${next})
    get_target_property(imported ${next} IMPORTED)
    get_target_property(type ${next} TYPE)
    if(NOT imported AND type MATCHES "STATIC_LIBRARY|OBJECT_LIBRARY")
      list(APPEND found ${next})
    endif()
    get_target_property(links ${next} INTERFACE_LINK_LIBRARIES)
    if(links)
      list(APPEND waiting ${links})
    endif()
  endwhile()
  set(${output} ${found} PARENT_SCOPE)
endfunction()

# forager_install(TARGET): installs everything below TARGET as forager::forager.
function(forager_install target)
  include(CMakePackageConfigHelpers)
  forager_layers_of(${target} layers)
  list(APPEND layers forager_wrap)
  list(TRANSFORM layers REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE objects)
  # And what clang made of the hardware, which those targets bring and CMake does not count.
  set(brought)
  foreach(layer IN LISTS layers)
    get_target_property(object ${layer} FORAGER_OBJECT)
    if(object)
      list(APPEND brought ${object})
      set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
    endif()
  endforeach()
  list(APPEND objects ${brought})
  add_library(forager_library STATIC ${objects})
  add_dependencies(forager_library ${layers})
  set_target_properties(forager_library PROPERTIES OUTPUT_NAME forager EXPORT_NAME forager LINKER_LANGUAGE CXX)
  target_compile_features(forager_library INTERFACE cxx_std_23)
  target_include_directories(forager_library INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  get_target_property(wrapping forager_libbpf INTERFACE_LINK_OPTIONS)
  target_link_options(forager_library INTERFACE ${wrapping})
  # The two archives need each other; foragerConfig.cmake closes the circle.
  target_link_libraries(forager_library INTERFACE $<INSTALL_INTERFACE:forager::libbpf_archive>
                                                  $<INSTALL_INTERFACE:forager::capstone_archive>
                                                  asmjit::asmjit OpenCL::OpenCL fmt::fmt Threads::Threads)

  set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/forager)
  install(TARGETS forager_library EXPORT foragerTargets COMPONENT library)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/host/include/forager DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library
          FILES_MATCHING PATTERN "*.h")
  install(EXPORT foragerTargets NAMESPACE forager:: DESTINATION ${folder} COMPONENT library)
  configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/foragerConfig.cmake.in ${CMAKE_BINARY_DIR}/foragerConfig.cmake
                                INSTALL_DESTINATION ${folder})
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/foragerConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/foragerConfig.cmake ${CMAKE_BINARY_DIR}/foragerConfigVersion.cmake
          DESTINATION ${folder} COMPONENT library)
endfunction()
