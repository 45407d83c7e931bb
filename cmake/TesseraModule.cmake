# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
# One target per module, one helper for tests.
add_library(tessera_options INTERFACE)
# Contraction to fused multiply-add is off so that a formula gives the same bits on every target; kernels that
# want FMA ask for it by name.
set(TESSERA_CXX_FLAGS -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wno-psabi -Wno-restrict -ffp-contract=off)
if(TESSERA_WARNINGS_AS_ERRORS)
  list(APPEND TESSERA_CXX_FLAGS -Werror)
endif()
target_compile_options(tessera_options INTERFACE "$<$<COMPILE_LANGUAGE:C,CXX>:${TESSERA_CXX_FLAGS}>")
if(TESSERA_SANITIZE)
  target_compile_options(tessera_options INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(tessera_options INTERFACE -fsanitize=address,undefined)
elseif(TESSERA_THREAD_SANITIZER)
  target_compile_options(tessera_options INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
  target_link_options(tessera_options INTERFACE -fsanitize=thread)
endif()

# tessera_add_module(graph SOURCES a.cpp ... HEADERS a.hpp ... DEPENDS tessera::core ... PRIVATE vendor targets ...)
function(tessera_add_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;HEADERS;DEPENDS;PRIVATE" ${ARGN})
  set(source_root ${PROJECT_SOURCE_DIR}/src)
  cmake_path(IS_PREFIX source_root ${CMAKE_CURRENT_SOURCE_DIR} in_source_root)
  if(in_source_root)
    set(include_root ${PROJECT_SOURCE_DIR}/src)
  else()
    set(include_root ${PROJECT_SOURCE_DIR})
  endif()
  add_library(tessera_${name} STATIC ${arg_SOURCES})
  add_library(tessera::${name} ALIAS tessera_${name})
  target_sources(tessera_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${include_root} FILES ${arg_HEADERS})
  target_link_libraries(tessera_${name} PUBLIC ${arg_DEPENDS} PRIVATE tessera_options ${arg_PRIVATE})
endfunction()

# tessera_add_test(core_error_test SOURCES error_test.cpp DEPENDS tessera::core [RANKS 1 2 3] [LABELS slow] [TIMEOUT 120])
# Without RANKS the program runs once, as it is; with RANKS it runs under mpirun once per entry, and its main is that of
# tests/support/mpi_main.cpp.
function(tessera_add_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;DEPENDS;RANKS;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  if(arg_RANKS)
    target_link_libraries(${name} PRIVATE ${arg_DEPENDS} tessera_options tessera::test_mpi_main)
    foreach(ranks IN LISTS arg_RANKS)
      add_test(NAME ${name}.mpi${ranks} COMMAND ${PROJECT_SOURCE_DIR}/tools/mpirun.sh ${ranks} $<TARGET_FILE:${name}>)
      set_tests_properties(${name}.mpi${ranks} PROPERTIES TIMEOUT ${arg_TIMEOUT} PROCESSORS 2
                           SKIP_RETURN_CODE 77 LABELS "mpi;${arg_LABELS}" ENVIRONMENT TESSERA_MPIRUN=${MPIEXEC_EXECUTABLE})
    endforeach()
  else()
    target_link_libraries(${name} PRIVATE ${arg_DEPENDS} tessera_options GTest::gtest GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "unit;${arg_LABELS}"
                         ENVIRONMENT TESSERA_MPIRUN=${MPIEXEC_EXECUTABLE})
  endif()
endfunction()
