# SPDX-License-Identifier: Apache-2.0
#
# Cross-compile for arm64 Linux with Debian's aarch64-linux-gnu-g++, against a sysroot of Debian's arm64 libraries, and
# run what was built by qemu-user. `./dev arm64` makes the sysroot; -DFORAGER_ARM64_SYSROOT=DIR names another one.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

get_filename_component(default_sysroot ${CMAKE_CURRENT_LIST_DIR}/../../build/arm64-sysroot/root ABSOLUTE)
set(FORAGER_ARM64_SYSROOT ${default_sysroot} CACHE PATH "the root of the arm64 libraries")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES FORAGER_ARM64_SYSROOT)
set(CMAKE_SYSROOT ${FORAGER_ARM64_SYSROOT})
set(CMAKE_C_FLAGS_INIT "-isystem ${CMAKE_SYSROOT}/kernel-headers")
set(CMAKE_CXX_FLAGS_INIT ${CMAKE_C_FLAGS_INIT})
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;${CMAKE_SYSROOT})

# Tools are the build machine's; headers, libraries and packages the sysroot's.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)
