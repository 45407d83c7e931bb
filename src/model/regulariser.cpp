// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/regulariser.hpp"

#include "core/error.hpp"

#include <cmath>

namespace tessera::model {

Norm find_norm(const std::string& name) {
  if (name == "none") return Norm::kNone;
  if (name == "l2") return Norm::kL2;
  if (name == "n3") return Norm::kN3;
  fail(ExitStatus::kUsage, "regulariser '{}' is not known; it is one of: none, l2, n3", name);
}

void add_norm_gradient(Norm norm, bool is_complex, float factor, const float* row, std::size_t dim, float* gradient) {
  if (norm == Norm::kL2) {
    for (std::size_t k = 0; k < dim; ++k) gradient[k] += 2 * factor * row[k];
  } else if (norm == Norm::kN3 && is_complex) {
    const std::size_t rank = dim / 2;
    for (std::size_t k = 0; k < rank; ++k) {
      const float modulus = std::sqrt(row[k] * row[k] + row[rank + k] * row[rank + k]);
      gradient[k] += 3 * factor * modulus * row[k];
      gradient[rank + k] += 3 * factor * modulus * row[rank + k];
    }
  } else if (norm == Norm::kN3) {
    for (std::size_t k = 0; k < dim; ++k) gradient[k] += 3 * factor * std::fabs(row[k]) * row[k];
  }
}

double norm_value(Norm norm, bool is_complex, const float* row, std::size_t dim) {
  double sum = 0;
  const std::size_t rank = dim / 2;
  for (std::size_t k = 0; k < dim; ++k) {
    const double x = row[k];
    if (norm == Norm::kL2) sum += x * x;
    if (norm == Norm::kN3 && !is_complex) sum += std::fabs(x) * x * x;
    if (norm == Norm::kN3 && is_complex && k < rank) {
      const double y = row[rank + k];
      sum += std::pow(x * x + y * y, 1.5);
    }
  }
  return sum;
}

}  // namespace tessera::model
