// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "model/parameters.hpp"
#include "model/regulariser.hpp"

#include <cstddef>

namespace tessera::train {

/// The penalty of a step: every triple adds the regulariser's terms of its source, query vector, relation and target,
/// times `scale`.
struct Penalty {
  model::Regulariser regulariser;
  float scale = 0;
  /// Adds `times` times the gradient of the penalty on an entity row.
  void add_entity(const model::Scorer& scorer, float times, const float* row, std::size_t dim, float* gradient) const {
    model::add_power_gradient(regulariser.power, scorer.is_complex(), regulariser.entities * scale * times, row, dim,
                              gradient);
  }
};

/// Rows and how often each is penalised.
template <kernels::Space kSpace>
struct PenalisedRows {
  kernels::BasicConstStoredRows<kSpace> table;
  kernels::Vector<kSpace, const std::uint32_t> rows;
  kernels::Vector<kSpace, const float> times;
};

/// gradients[to[k]] += factor * times[k] * d/dx |x|^power of table[rows[k]]; no call where the factor is 0.
template <kernels::Space kSpace>
void penalise(const kernels::BasicBackend<kSpace>& kernels, kernels::RowPower power, float factor,
              const PenalisedRows<kSpace>& of, kernels::BasicMatrix<kSpace> gradients,
              kernels::Vector<kSpace, const std::uint32_t> to) {
  if (factor != 0.0F) kernels.penalties.add(power, factor, {of.table, of.rows, of.times}, gradients, to);
}

}  // namespace tessera::train
