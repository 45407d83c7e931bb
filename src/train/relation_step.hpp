// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/sparse_tree_sum.hpp"
#include "kernels/backend.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"
#include "train/optimiser.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::train {

/// The gradient of a relation: that of its operator, and, in a model with a core, behind it what is added to that of
/// the relation row itself (the penalty). Where there is no core the operator is the row.
std::size_t relation_gradient_dim(const model::Parameters& parameters);

/// What a step does with relations as a whole: their operators before it, rows and core after it. Every rank does the
/// same, but for operators, which it makes for the relations of its own queries.
class RelationStep {
 public:
  /// `capacity`: most relations whose gradients a step sums up.
  RelationStep(model::Parameters& parameters, std::uint64_t capacity, std::size_t threads,
               const kernels::Backend& backend, memory::Pool& pool);

  /// Relations that the step will compose with; repetitions count once.
  void need(std::span<const std::uint32_t> relations);
  /// Makes the operators of all that were needed since the last call.
  void make_operators();
  /// `gradients` [n, relation_gradient_dim()] summed over all parts.
  void update(const exchange::SparseRows& gradients, const Optimiser& optimiser);

 private:
  void relation_rows(const exchange::SparseRows& gradients);
  void core_rows(const exchange::SparseRows& gradients);

  model::Parameters& parameters_;
  std::size_t threads_;
  const kernels::Backend& backend_;
  std::vector<bool> is_needed_;           // [2R]
  std::vector<std::uint32_t> needed_;     // distinct
  std::vector<std::uint32_t> core_ids_;   // 0, 1, 2, ...
  memory::Buffer<float> chosen_;          // with a core: [n, relation dim], relation rows
  memory::Buffer<float> row_gradients_;   // with a core: [n, relation dim]
  memory::Buffer<float> core_gradients_;  // with a core: its shape
};

}  // namespace tessera::train
