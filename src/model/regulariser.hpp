// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/matrix.hpp"

#include <cstddef>
#include <string>

namespace tessera::model {

/// A penalty on the rows of every query of a batch (source, relation, target), as Lacroix et al. (2018) apply it:
/// frequent rows are penalised more often.
enum class Norm { kNone, kL2, kN3 };

Norm find_norm(const std::string& name);

/// gradient += factor * d/dx penalty(row), for one row of `dim` reals.
///   L2: penalty = sum_k x_k^2
///   N3: penalty = sum_k |x_k|^3, with |.| the complex modulus when `is_complex`.
void add_norm_gradient(Norm norm, bool is_complex, float factor, const float* row, std::size_t dim, float* gradient);

/// The penalty itself, in double.
double norm_value(Norm norm, bool is_complex, const float* row, std::size_t dim);

}  // namespace tessera::model
