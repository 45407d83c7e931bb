// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "train/dropout.hpp"
#include "train/optimiser.hpp"
#include "train/resident/resident.hpp"
#include "train/resident/step_lists.hpp"

#include <cstddef>
#include <vector>

namespace tessera::train {

/// What models take of relations, in one memory space: operators that are relation rows, or made of these by a core;
/// query vectors from what dropout leaves of sources and operators; the way back, and the updates of rows and core.
/// What QuerySide and RelationStep do on the host, with the same order of sums.
template <kernels::Space kSpace>
class ResidentOperators {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  using Indices = kernels::Vector<kSpace, const std::uint32_t>;

  struct Capacity {
    std::size_t queries = 0;    ///< most of an owned part in a step
    std::size_t relations = 0;  ///< most distinct ones, summed over owned parts
    bool makes_all = false;     ///< the operators of all relations, in every step, by one product
  };
  ResidentOperators(Resident<kSpace>& in, const Dropout& dropout, const Capacity& capacity);

  /// Before a step composes: makes the operators that it needs.
  void make(const StepLists<kSpace>& lists);
  /// The operators; those of all relations [2R, operator dim] if the capacity said so.
  [[nodiscard]] ConstMatrix table() const { return has_core() ? operators_ : in_.tables.relations().rows; }

  /// Query vectors of a part [queries, dim]; `sources` are its rows, of which dropout takes its share.
  void compose(const PartLists<kSpace>& part, Matrix sources, Matrix queries);
  /// From gradients of query vectors to those of what dropout left of sources.
  void backward(const PartLists<kSpace>& part, ConstMatrix query_gradients, Matrix source_gradients);
  /// Multiplies by the masks of a part's sources.
  void mask_sources(const PartLists<kSpace>& part, Matrix rows) const;
  /// Gradients of the operators of a part's distinct relations [.., operator dim]. `sources`: after dropout.
  void gradients(const PartLists<kSpace>& part, ConstMatrix sources, ConstMatrix query_gradients, Matrix out);

  /// The optimiser on relations `ids` and on the core, from gradients [ids, Resident::gradient_dim] summed over all
  /// parts: those of operators, behind them what else is added to those of relation rows.
  void update(ConstMatrix gradients, Indices ids, const Optimiser& optimiser);

 private:
  struct Chosen {  // operator of query i: table[rows[i]]
    ConstMatrix table;
    Indices rows;
  };
  [[nodiscard]] bool has_core() const { return in_.tables.core().rows.rows > 0; }
  [[nodiscard]] Indices of_relations(const PartLists<kSpace>& part) const;
  Chosen choose(const PartLists<kSpace>& part);

  Resident<kSpace>& in_;
  const Dropout& dropout_;
  bool makes_all_;
  // With a core.
  Matrix operators_;       // [2R, operator dim], or of the distinct relations of all owned parts
  Matrix chosen_;          // [2R, relation dim], relation rows
  Matrix row_gradients_;   // [2R, relation dim]
  Matrix core_gradients_;  // [relation dim, operator dim]
  // With dropout of relations [queries of a part, operator dim].
  Matrix masked_;
  Matrix query_operators_;  // gradients
};

extern template class ResidentOperators<kernels::Space::kHost>;
extern template class ResidentOperators<kernels::Space::kDevice>;

}  // namespace tessera::train
