# SPDX-License-Identifier: Apache-2.0
#
# forager_launcher(TARGET VARIABLE): the file with which a test script starts the target. That is the program itself, or
# in a cross build a script that starts it under the emulator: CTest does so only for commands that are targets.
function(forager_launcher target variable)
  set(launcher $<TARGET_FILE:${target}>)
  if(CMAKE_CROSSCOMPILING_EMULATOR)
    list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " emulator)
    set(launcher ${CMAKE_BINARY_DIR}/launchers/${target})
    file(GENERATE OUTPUT ${launcher}
         CONTENT "#!/bin/sh\nexec ${emulator} '$<TARGET_FILE:${target}>' \"$@\"\n"
         FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  endif()
  set(${variable} ${launcher} PARENT_SCOPE)
endfunction()
