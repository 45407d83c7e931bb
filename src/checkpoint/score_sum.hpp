// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/stored_model.hpp"
#include "memory/pool.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tessera::checkpoint {

/// One of the models whose scores are summed.
struct Member {
  std::unique_ptr<StoredModel> model;
  std::string name;   ///< for messages: as the user named it
  double weight = 1;  ///< by which its scores are multiplied
};

/// Memory for rows of that shape: of as many entities as fit the free half of the pool, at least one. Throws
/// Error(kOverBudget).
memory::Buffer<float> take_window(const ModelShape& shape, memory::Pool& pool);

/// The weighted sum of the scores of some models, as one model of the same kind: where a score is a dot product of
/// composed query and entity row, rows that are put side by side (real parts beside real parts, imaginary beside
/// imaginary) have the sum of the dot products, and a weight can go into the relation rows, in which the score is
/// linear. One model with weight 1 is itself, of whatever kind.
class ScoreSum {
 public:
  /// At least one member. Throws Error(kUsage) naming the member when the models are of different graphs or kinds, or
  /// of a kind whose scores are not summed like that, or when the rows would be too wide.
  explicit ScoreSum(std::vector<Member> members);

  [[nodiscard]] const ModelShape& shape() const { return shape_; }
  /// The origins of all members. A member that is a sum gives the origins of its own members, with weights multiplied.
  [[nodiscard]] const std::vector<ModelOrigin>& origins() const { return origins_; }
  /// [2R, relation dim], weighted.
  [[nodiscard]] std::vector<float> relations() const;
  /// [relation dim, operator dim]; empty without one. Models with a core are not summed.
  [[nodiscard]] std::vector<float> core() const { return members_.front().model->core(); }
  /// Calls `consume` with the rows [count, dim] of all entities in order of their ids, as many at a time as fit the
  /// free half of the pool; the files are read as often as that takes. Throws Error: kOverBudget, kBadData, kIo.
  void for_each_window(memory::Pool& pool, const std::function<void(std::span<const float>)>& consume) const;

 private:
  void fill(std::uint64_t first, std::span<float> window) const;

  std::vector<Member> members_;
  std::size_t entity_blocks_ = 1;    // equal blocks of a row that are put side by side one by one
  std::size_t relation_blocks_ = 1;  // blocks of a relation row
  ModelShape shape_;
  std::vector<ModelOrigin> origins_;
};

}  // namespace tessera::checkpoint
