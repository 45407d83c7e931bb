# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
# The version header; the git commit is read at build time so that files say what wrote them.
set(TESSERA_GENERATED_DIR ${CMAKE_BINARY_DIR}/generated)
add_custom_target(tessera_version
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
          -DOUTPUT=${TESSERA_GENERATED_DIR}/core/build_info.hpp -P ${PROJECT_SOURCE_DIR}/cmake/write_build_info.cmake
  BYPRODUCTS ${TESSERA_GENERATED_DIR}/core/build_info.hpp
  COMMENT "Reading the git commit")
