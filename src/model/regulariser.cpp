// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/regulariser.hpp"

#include "core/error.hpp"

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

}  // namespace tessera::model
