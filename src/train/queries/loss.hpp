// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "kernels/statistics.hpp"
#include "model/regulariser.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::train {

/// Candidates whose scores are one tile: the softmax takes their maximum and their sum together. Part of the order of
/// sums, and so of all bits.
constexpr std::size_t kTileRows = 256;

/// Most queries whose gradients a thread of the host works on at once.
constexpr std::size_t kMostBlockQueries = 512;

/// The loss over candidates when queries are moved.
struct CandidateLoss {
  bool binary = false;       ///< binary cross entropy of every candidate (KvsAll); else softmax cross entropy
  double smoothing = 0;      ///< label smoothing of the binary one
  bool exact = true;         ///< all rows are candidates; else those that the batches sampled
  bool unbiased = true;      ///< a sampled candidate stands for as many rows as it takes to count all
  double rows_for_each = 1;  ///< rows of the whole graph for each row in memory; above 1 in rounds
  bool keep_scores = true;   ///< between the passes over the candidates; else they are computed again
  model::Regulariser regulariser;
  float relation_weight = 0;  ///< weight of relation prediction; 0: off

  /// Without `keep_scores`, which depends on memory.
  static CandidateLoss of(const Job& job);
  /// The binary loss over `entities` candidates, multiplied by `scale`.
  [[nodiscard]] kernels::BinaryLoss binary_over(std::uint64_t entities, float scale) const {
    return {scale, smoothing, static_cast<float>(smoothing / static_cast<double>(entities))};
  }
  [[nodiscard]] kernels::SoftmaxLoss softmax(float scale) const { return {scale, exact}; }
  [[nodiscard]] bool predicts_relations() const { return relation_weight > 0; }
};

}  // namespace tessera::train
