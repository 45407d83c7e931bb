// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"

#include <mpi.h>

#include <array>

namespace tessera::comm::detail {

inline void check_mpi(int status, const char* call) {
  if (status == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  if (MPI_Error_string(status, text.data(), &length) != MPI_SUCCESS) length = 0;
  fail(ExitStatus::kInternal, "{} failed: {}", call, length > 0 ? text.data() : "unknown reason");
}

}  // namespace tessera::comm::detail

/// Every call of MPI goes through it, except in destructors, which cannot report an error.
#define TESSERA_MPI_TRY(call) ::tessera::comm::detail::check_mpi(call, #call)
