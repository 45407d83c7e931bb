// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace tessera::kernels {

/// Columns first .. end - 1 of a formula for entity rows of `dim` reals.
struct Columns {
  std::size_t first;
  std::size_t end;
  std::size_t dim;
};

/// A formula whose columns are the reals of a row.
struct RealColumns {
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_dim(std::size_t dim) { return dim; }
  TESSERA_HOST_DEVICE static constexpr std::size_t query_columns(std::size_t dim) { return dim; }
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_columns(std::size_t dim) { return dim; }
};

/// A formula whose relation row has a real for each of the dim / 2 columns.
struct HalfColumns {
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_dim(std::size_t dim) { return dim / 2; }
  TESSERA_HOST_DEVICE static constexpr std::size_t query_columns(std::size_t dim) { return dim / 2; }
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_columns(std::size_t dim) { return dim / 2; }
};

}  // namespace tessera::kernels
