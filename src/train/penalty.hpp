// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "model/regulariser.hpp"
#include "model/scorer.hpp"

namespace tessera::train {

/// A term of the penalty: factor * |x|^power.
struct PenaltyTerm {
  kernels::RowPower power;
  float factor;
};

/// The penalty of a step: every triple adds the regulariser's terms of its source, query vector, relation and target,
/// times `scale`.
struct Penalty {
  model::Regulariser regulariser;
  float scale = 0;
  [[nodiscard]] PenaltyTerm entities(const model::Scorer& scorer) const {
    return {{regulariser.power, scorer.is_complex()}, regulariser.entities * scale};
  }
  [[nodiscard]] PenaltyTerm products(const model::Scorer& scorer) const {
    return {{regulariser.power, scorer.is_complex()}, regulariser.products * scale};
  }
  [[nodiscard]] PenaltyTerm relations(const model::Scorer& scorer) const {
    return {{regulariser.power, scorer.is_relation_complex()}, regulariser.relations * scale};
  }
};

/// gradients[to[k]] += times[k] * gradient of the term at table[rows[k]]. A factor of 0 calls no kernel.
template <kernels::Space kSpace>
void penalise(const kernels::BasicBackend<kSpace>& kernels, const PenaltyTerm& term,
              const kernels::BasicPenalisedRows<kSpace>& of, kernels::BasicMatrix<kSpace> gradients,
              kernels::Vector<kSpace, const std::uint32_t> to) {
  if (term.factor != 0.0F) kernels.penalties.add(term.power, term.factor, of, gradients, to);
}

}  // namespace tessera::train
