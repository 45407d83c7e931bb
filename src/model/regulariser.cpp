// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/regulariser.hpp"

#include "core/error.hpp"

#include <cmath>

namespace tessera::model {
namespace {

// power * modulus^(power - 2): what a real or complex number is multiplied with to give the gradient.
float slope(float power, float squared_modulus) {
  if (power == 2.0F) return 2.0F;
  if (power == 3.0F) return 3.0F * std::sqrt(squared_modulus);
  if (power == 4.0F) return 4.0F * squared_modulus;
  // Below 2 the slope of |x|^(p-2) x at 0 is 0, while the power alone is infinite there.
  return squared_modulus > 0 ? power * std::pow(squared_modulus, power / 2 - 1) : 0.0F;
}

}  // namespace

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
  if (factor == 0.0F) return;
  if (!is_complex) {
    for (std::size_t k = 0; k < dim; ++k) gradient[k] += factor * slope(power, row[k] * row[k]) * row[k];
    return;
  }
  const std::size_t rank = dim / 2;
  for (std::size_t k = 0; k < rank; ++k) {
    const float scale = factor * slope(power, row[k] * row[k] + row[rank + k] * row[rank + k]);
    gradient[k] += scale * row[k];
    gradient[rank + k] += scale * row[rank + k];
  }
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
