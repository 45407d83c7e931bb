// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/rows/gradient_return.hpp"
#include "execution/step_memory.hpp"
#include "model/regulariser.hpp"
#include "train/negative_loss.hpp"
#include "train/query_sides.hpp"
#include "train/rows/lists.hpp"
#include "train/rows/sizes.hpp"
#include "train/tables.hpp"

#include <cstdint>
#include <vector>

namespace tessera::train {

/// The loss and the regulariser that a step minimises; the same for every part.
struct RowsObjective {
  NegativeLoss loss;
  model::Regulariser regulariser;
};

/// Forward and backward of a step on the parts of this rank, and their updates: from lists and rows in place to
/// gradients by use of a row, to sums by distinct row, to new rows.
template <execution::Space kSpace>
class RowsStep {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  using Lists = RowsStepLists<kSpace>;

  /// All these objects outlive the RowsStep.
  struct Setup {
    const StepSetup<kSpace>& step;
    QuerySides<kSpace>& sides;
    exchange::GradientReturn<kSpace>& returns;
    const exchange::RowDemand& demand;
  };
  RowsStep(const Setup& setup, const RowsObjective& objective, const RowsSizes& sizes);
  /// The longest list that StepMemory counts to.
  [[nodiscard]] static std::uint64_t longest_list(const RowsSizes& sizes);

  /// Query vectors, scores, losses, and gradients by use of a row but those of negatives. The loss is the mean over the
  /// queries of the step; `losses` [owned parts] takes those of `step`.
  void compute_queries(const Lists& lists, std::uint64_t step, Vector<kernels::LossSum> losses);
  void negative_gradients(const Lists& lists);
  /// Gradients by relation [distinct relations of all owned parts, gradient dim].
  [[nodiscard]] Matrix relation_gradients(const Lists& lists);
  /// Sums by distinct row, to where the exchange takes them.
  void sum_by_row(const Lists& lists);
  /// Adds up what arrived for a row, in the order of arrival (requesting part, position), and changes the row.
  void update(const Lists& lists, const Optimiser& optimiser);

 private:
  struct Part {
    Matrix sources;          // [n, dim], after dropout
    Matrix queries;          // [n, dim]
    Matrix query_gradients;  // [n, dim]
    Matrix negatives;        // [K, dim]
    Matrix weights;          // [n, K]: scores, then weights
    Matrix gradients;        // [2n + K, dim] by use of a row
    Vector<float> losses;    // [n]
  };
  struct Scratch {             // of a worker
    Matrix targets;            // [block, dim]
    Matrix scores;             // [block, K], where gradients need them
    Vector<float> of_targets;  // [block]: scores
    Vector<float> weights;     // [block]
    Matrix sums;               // [block of rows, dim]
  };
  void allocate(const RowsSizes& sizes);
  [[nodiscard]] Penalty penalty(const Lists& lists) const;
  void gather_negatives(const Lists& lists);
  void query_block(const Lists& lists, std::size_t p, const Block& block);
  void weigh(const Lists& lists, std::size_t p, const Block& block, ConstMatrix targets);
  void query_gradients(const Lists& lists, std::size_t p, const Block& block, ConstMatrix targets);
  void sum_rows(const Lists& lists, std::size_t p, std::size_t first, std::size_t count);

  execution::Executor<kSpace>& executor_;
  execution::StepMemory<kSpace>& memory_;
  const Tables<kSpace>& tables_;
  QuerySides<kSpace>& sides_;
  exchange::GradientReturn<kSpace>& returns_;
  const exchange::RowDemand& demand_;
  const model::Scorer& scorer_;
  RowsObjective objective_;
  std::size_t dim_;
  std::vector<Part> parts_;
  std::vector<Scratch> scratch_;
  Matrix leaves_;  // [distinct relations of all owned parts, gradient dim]
  std::vector<typename QuerySides<kSpace>::Part> side_parts_;
};

extern template class RowsStep<execution::Space::kHost>;
extern template class RowsStep<execution::Space::kDevice>;

}  // namespace tessera::train
