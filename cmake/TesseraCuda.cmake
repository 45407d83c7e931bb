# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
# The CUDA compiler, its libraries and its flags. Included only with TESSERA_CUDA, which makes all of it required.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90)  # native code for both, and PTX of the newer for what comes after
endif()
if(TESSERA_CCACHE AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${TESSERA_CCACHE})
endif()
enable_language(CUDA)
find_package(CUDAToolkit 12.0 REQUIRED)
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} REQUIRED)
find_library(NCCL_LIBRARY nccl HINTS ${CUDAToolkit_LIBRARY_DIR} REQUIRED)
add_library(NCCL::NCCL UNKNOWN IMPORTED)
set_target_properties(NCCL::NCCL PROPERTIES IMPORTED_LOCATION ${NCCL_LIBRARY}
                      INTERFACE_INCLUDE_DIRECTORIES ${NCCL_INCLUDE_DIR})

# The standard follows CMAKE_CXX_STANDARD; CMake 3.25 only does not know the option of nvcc 12 and newer.
foreach(kind STANDARD EXTENSION)
  if(NOT CMAKE_CUDA20_${kind}_COMPILE_OPTION)
    set(CMAKE_CUDA20_${kind}_COMPILE_OPTION -std=c++20)
  endif()
endforeach()
# Contraction is off as on the host: kernels ask for fused multiply-add by name. fmt 9 takes nvcc for a compiler without
# constexpr.
target_compile_options(tessera_options INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:-fmad=false> $<$<COMPILE_LANGUAGE:CUDA>:-DFMT_USE_CONSTEXPR=1>)
list(REMOVE_ITEM TESSERA_CXX_FLAGS -Werror)
list(JOIN TESSERA_CXX_FLAGS "," host_flags)
target_compile_options(tessera_options INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${host_flags}>)
if(TESSERA_WARNINGS_AS_ERRORS)
  target_compile_options(tessera_options INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
endif()
