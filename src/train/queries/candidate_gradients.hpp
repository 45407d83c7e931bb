// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "train/optimiser.hpp"
#include "train/penalty.hpp"
#include "train/queries/candidate_scores.hpp"
#include "train/queries/relation_prediction.hpp"

#include <vector>

namespace tessera::train {

/// The way back: from the weights of this rank's candidates to gradients of queries, and to updated rows.
template <execution::Space kSpace>
class CandidateGradients {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  using Lists = StepLists<kSpace>;
  using Prediction = RelationPrediction<kSpace>;

  /// `scores` outlives this.
  CandidateGradients(const StepSetup<kSpace>& setup, const CandidateScores<kSpace>& scores, const CandidateLoss& loss,
                     const StepSizes& sizes);

  /// Gradients of all queries over the candidates of a node of the tree over parts [B, dim], with prediction [B, 2
  /// dim]: those of sources beside them.
  void query_gradients(exchange::PartRange node, const Lists& lists, const Prediction* prediction, Matrix out);
  /// The memory for the gradients of own sources of part p [queries, dim].
  [[nodiscard]] Matrix source_gradients(std::size_t p, const Lists& lists) const;
  /// All gradients of the rows of all parts, and the optimiser on them.
  void update(const Lists& lists, const Prediction* prediction, const Penalty& penalty, const Optimiser& optimiser);

 private:
  struct Scratch {                 // of one worker
    Matrix gradients;              // exact: [block of rows, dim]
    Matrix row_sums;               // [block of rows, dim]
    Matrix product;                // on the host: [block of queries, dim]
    std::vector<Matrix> subtrees;  // [block of queries, width] by level of the tree
  };
  /// The queries whose gradients are summed over a node of the tree.
  struct Terms {
    const Lists& lists;
    const Prediction* prediction;
    Block queries;
  };
  /// The step that updates rows.
  struct Update {
    const Lists& lists;
    const Prediction* prediction;
    const Penalty& penalty;
    const Optimiser& optimiser;
  };

  [[nodiscard]] Scratch make_scratch(const StepSizes& sizes);
  void node_gradients(exchange::PartRange node, const Terms& of, std::size_t level, Matrix out) const;
  void part_gradients(std::size_t p, const Terms& of, Matrix out) const;
  [[nodiscard]] kernels::BasicWeightedRows<kSpace> weighted_queries(const Update& update, std::size_t p) const;
  void update_block(std::size_t p, const Block& block, const Update& update);
  void add_sources(std::size_t p, const Block& block, const Lists& lists, Matrix gradients);
  void update_sampled(const Update& update);
  void add_targets(std::size_t p, ListRange of, const Update& update, Matrix out) const;
  void sum_occurrences(std::size_t p, const Block& block, const Update& update);
  [[nodiscard]] Matrix occurrences(std::size_t p, const Lists& lists) const;

  execution::Executor<kSpace>& executor_;
  execution::StepMemory<kSpace>& memory_;
  Tables<kSpace>& tables_;
  const model::Scorer& scorer_;
  const CandidateScores<kSpace>& scores_;
  bool is_exact_;
  std::uint32_t first_part_;
  std::size_t dim_;
  std::size_t width_;  // width of the gradients of queries
  std::vector<Scratch> scratch_;
  Matrix source_gradients_;  // exact: [own queries, dim]
  Matrix occurrences_;       // sampled: gradients of candidates, targets and sources, part by part
};

extern template class CandidateGradients<execution::Space::kHost>;
extern template class CandidateGradients<execution::Space::kDevice>;

}  // namespace tessera::train
