// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"

#include <cstddef>

namespace tessera::kernels::reference {

/// Similarity of two vectors of `dim` reals: one chain in index order.
float similarity_of(Similarity similarity, const float* query, const float* row, std::size_t dim);

}  // namespace tessera::kernels::reference
