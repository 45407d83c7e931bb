// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "train/resident/resident.hpp"
#include "train/resident/step_lists.hpp"

namespace tessera::train {

/// RelationPrediction for whole parts at once, in one memory space: the same formulas, the same order of sums.
template <kernels::Space kSpace>
class ResidentPrediction {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  /// For up to `capacity` targets of `parts` owned parts.
  ResidentPrediction(Resident<kSpace>& in, std::size_t parts, std::uint64_t capacity);

  /// Loss and gradients of all targets of this rank's parts. `sources` [queries of the step, dim], `operators` of all
  /// directed relations; a gradient is that of scale * loss, and weight * loss goes to losses[part].
  void compute(const StepLists<kSpace>& lists, ConstMatrix sources, ConstMatrix operators, float scale, float weight,
               std::uint64_t step, kernels::Vector<kSpace, kernels::LossSum> losses);

  /// Of the targets of a part, in their order [targets, dim].
  [[nodiscard]] ConstMatrix source_gradients(const PartLists<kSpace>& part) const {
    return source_gradients_.block(part.first_target, part.targets);
  }
  [[nodiscard]] ConstMatrix target_gradients(const PartLists<kSpace>& part) const {
    return target_gradients_.block(part.first_target, part.targets);
  }
  /// Gradients of all directed relations, part by part [parts * directed relations, gradient dim].
  [[nodiscard]] Matrix relation_gradients() const { return relation_gradients_; }

 private:
  /// Targets first .. first + count - 1 of a part.
  void compute_round(std::size_t p, const PartLists<kSpace>& part, std::size_t first, std::size_t count, float scale);
  void add_relation_gradients(std::size_t p, ConstMatrix weights, ConstMatrix contexts, bool is_first);

  Resident<kSpace>& in_;
  ConstMatrix all_sources_;  // of the step
  ConstMatrix operators_;
  std::size_t round_;  // most targets of one
  Matrix sources_;     // [round, dim]
  Matrix targets_;     // [round, dim]
  Matrix contexts_;    // [round, operator dim]
  Matrix mixed_;       // [round, operator dim]
  Matrix weights_;     // [round, 2R]
  Matrix added_;       // [2R, operator dim]
  Matrix scores_;      // [1, round]
  Matrix target_weights_;
  Matrix losses_;            // [1, T], of one part
  Matrix source_gradients_;  // [T, dim], of all parts
  Matrix target_gradients_;
  Matrix relation_gradients_;
};

extern template class ResidentPrediction<kernels::Space::kHost>;
extern template class ResidentPrediction<kernels::Space::kDevice>;

}  // namespace tessera::train
