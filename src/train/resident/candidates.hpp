// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/part_tree.hpp"
#include "train/optimiser.hpp"
#include "train/query_side.hpp"
#include "train/resident/prediction.hpp"
#include "train/resident/resident.hpp"
#include "train/resident/step_lists.hpp"

#include <cstdint>
#include <vector>

namespace tessera::train {

/// Forward and backward on the candidates of this rank's parts, a whole part a call: what QueriesStep does in tiles,
/// with the same tiles and the same order of sums. Scores are kept.
template <kernels::Space kSpace>
class ResidentCandidates {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  using ConstStoredRows = kernels::BasicConstStoredRows<kSpace>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  using Operand = kernels::BasicOperand<kSpace>;
  using TiledWeights = kernels::BasicTiledWeights<kSpace>;
  using Lists = StepLists<kSpace>;
  using Prediction = ResidentPrediction<kSpace>;

  ResidentCandidates(Resident<kSpace>& in, const graph::Shard& shard, const CandidateLoss& loss,
                     const QueriesStep::Capacity& capacity);

  /// Scores of the step's queries [B, dim] against all candidates, and of own targets; target_scores() has room for the
  /// others. The queries stay as they are until the last update().
  void score(const Lists& lists, ConstMatrix queries);
  [[nodiscard]] Vector<float> target_scores(const Lists& lists) {
    return target_scores_.span().subspan(0, lists.targets);
  }
  /// The statistics of a node of the tree over parts, all of them owned [B].
  void statistics(exchange::PartRange node, Vector<kernels::Statistic> out) { statistics(node, 0, out); }
  /// From the statistics over all candidates to weights; losses of own queries are added to losses[part].
  void weigh(const Lists& lists, Vector<const kernels::Statistic> all, float scale, std::uint64_t step,
             Vector<kernels::LossSum> losses);
  /// Gradients of all queries over the candidates of a node [B, dim], with prediction [B, 2 dim]: those of sources
  /// beside them.
  void query_gradients(exchange::PartRange node, const Lists& lists, const Prediction* prediction, Matrix out) {
    query_gradients(node, lists, prediction, 0, out);
  }
  /// All gradients of the rows of part p, and the optimiser on them. `source_gradients` [own queries, dim].
  void update(std::size_t p, const Lists& lists, ConstMatrix source_gradients, const Prediction* prediction,
              const Penalty& penalty, const Optimiser& optimiser);

 private:
  struct Part {
    std::size_t rows = 0;  // candidates
    std::size_t tiles = 0;
    float shift = 0;      // log of how many rows a sampled candidate stands for
    Matrix gathered;      // [rows, dim]: sampled ones, or all where products do not take the table as it is stored
    Matrix values;        // [B, rows]: scores, then exponentials below the tile's maximum, or sigmoids
    Matrix highest;       // [B, tiles], then exp(highest of tile - highest of part); binary: softplus
    Matrix sums;          // [B, tiles]
    Matrix part_highest;  // [B, 1]; binary: none
    Matrix factors;       // [tiles, B]
    Vector<std::byte> packed_rows;
    Vector<std::byte> packed_weights;
    // Of the step: converted once for both products that take them.
    Operand candidates{ConstMatrix{}};
    TiledWeights weights{};
  };
  void score_part(std::size_t p, const Lists& lists);
  void turn_into_values(const Part& part);
  [[nodiscard]] bool is_gathered(const ConstStoredRows& table) const;
  void statistics(exchange::PartRange node, std::size_t level, Vector<kernels::Statistic> out);
  void query_gradients(exchange::PartRange node, const Lists& lists, const Prediction* prediction, std::size_t level,
                       Matrix out);
  void update_all(std::size_t p, const Lists& lists, ConstMatrix source_gradients, const Prediction* prediction,
                  const Penalty& penalty, const Optimiser& optimiser);
  void update_sampled(std::size_t p, const Lists& lists, ConstMatrix source_gradients, const Prediction* prediction,
                      const Penalty& penalty, const Optimiser& optimiser);
  [[nodiscard]] kernels::BasicWeightedRows<kSpace> weighted_queries(const PartLists<kSpace>& part,
                                                                    const Prediction* prediction) const;

  Resident<kSpace>& in_;
  CandidateLoss loss_;
  std::uint64_t entities_;
  std::uint32_t first_part_;
  std::size_t batch_ = 0;  // queries of the step
  std::size_t width_;      // of gradients
  std::vector<Part> parts_;
  Vector<std::byte> packed_queries_;
  Operand queries_{ConstMatrix{}};  // of the step
  std::vector<Matrix> levels_;      // [B, width] by level of the tree
  Matrix gradients_;                // of one part: [rows, dim], or of occurrences
  Matrix row_sums_;                 // of one part: [distinct sources or occurrences, dim]
  typename Place<kSpace>::template Buffer<kernels::Statistic> level_statistics_;  // [levels, B]
  std::uint64_t capacity_ = 0;
  typename Place<kSpace>::template Buffer<kernels::LossTerms> terms_;  // [B]
  typename Place<kSpace>::template Buffer<float> target_scores_;
  typename Place<kSpace>::template Buffer<float> target_weights_;
};

extern template class ResidentCandidates<kernels::Space::kHost>;
extern template class ResidentCandidates<kernels::Space::kDevice>;

}  // namespace tessera::train
