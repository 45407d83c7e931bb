// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/regulariser.hpp"

#include "core/error.hpp"
#include "kernels/formulas.hpp"

#include <cmath>

namespace tessera::model {
Regulariser find_regulariser(const Job::Regulariser& job) {
  const auto weight = static_cast<float>(job.weight);
  if (job.name == "none") return {};
  if (job.name == "l2") return {.power = 2, .entities = weight, .relations = weight};
  if (job.name == "n3") return {.power = 3, .entities = weight, .relations = weight};
  if (job.name == "dura") return {.power = 2, .entities = weight, .products = weight};
  if (job.name == "ivr")
    return {.power = static_cast<float>(job.power),
            .entities = weight,
            .relations = static_cast<float>(job.relation_weight),
            .products = static_cast<float>(job.product_weight)};
  fail(ExitStatus::kUsage, "regulariser '{}' is not known; it is one of: none, l2, n3, dura, ivr", job.name);
}

void add_power_gradient(float power, bool is_complex, float factor, const float* row, std::size_t dim,
                        float* gradient) {
  const kernels::RowPower of{power, is_complex};
  of.add_gradient(factor, row, gradient, {0, of.columns(dim), dim});
}

double power_value(double power, bool is_complex, const float* row, std::size_t dim) {
  double sum = 0;
  const std::size_t count = is_complex ? dim / 2 : dim;
  for (std::size_t k = 0; k < count; ++k) {
    const double x = row[k];
    const double y = is_complex ? row[count + k] : 0.0F;
    sum += std::pow(x * x + y * y, power / 2);
  }
  return sum;
}

}  // namespace tessera::model
