// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/part_tree.hpp"
#include "exchange/query_exchange.hpp"
#include "train/engine.hpp"
#include "train/queries_setup.hpp"
#include "train/resident/resident.hpp"
#include "train/resident/step_lists.hpp"
#include "train/resident/transport.hpp"

#include <cstddef>
#include <memory>
#include <string>

namespace tessera::train {

/// What a ResidentEngine exchanges with other ranks, in the order of a step. B queries of a step are [B, width]: query
/// vectors and, with relation prediction, their sources beside them. All but the accessors is collective.
template <kernels::Space kSpace>
class ResidentExchange {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  using Lists = StepLists<kSpace>;
  struct RelationSum {
    Matrix rows;
    Vector<const std::uint32_t> ids;
  };

  virtual ~ResidentExchange() = default;
  ResidentExchange(const ResidentExchange&) = delete;
  ResidentExchange& operator=(const ResidentExchange&) = delete;

  /// For people: "ranks exchange ...".
  [[nodiscard]] virtual std::string description() const = 0;
  /// Whether ranks go through the host in every step: together with ranks that compute on it.
  [[nodiscard]] virtual bool is_staged() const = 0;
  /// Whether StepLists::exchange is needed.
  [[nodiscard]] virtual bool needs_lists() const = 0;
  /// What travels through the host in any case: targets, when a step is drawn.
  [[nodiscard]] exchange::QueryExchange& host() { return host_; }
  /// The subtrees of parts that this rank sums up by itself.
  [[nodiscard]] std::span<const exchange::PartRange> subtrees() const { return host_.subtrees(); }

  /// From own queries in their places to those of all ranks [B, width].
  virtual void gather_queries(const Lists& lists, Matrix queries) = 0;
  /// Where to put the statistics of own subtree k [B].
  [[nodiscard]] virtual Vector<kernels::Statistic> statistics(const Lists& lists, std::size_t k) = 0;
  /// The statistics of all parts, merged in the fixed tree [B]. Of `target_scores` [all targets] own ones are there,
  /// and all afterwards.
  virtual Vector<const kernels::Statistic> merge_statistics(const Lists& lists, Vector<float> target_scores) = 0;
  /// Where to put the sums of query gradients over own subtree k [B, width].
  [[nodiscard]] Matrix subtree_gradients(const Lists& lists, std::size_t k) const {
    return gradients_.block(k * lists.queries, lists.queries);
  }
  /// Those of own queries over all parts [own queries, width], in order; until the next step.
  virtual Matrix return_gradients(const Lists& lists) = 0;
  /// The sum of relation gradients over all parts. `own` is of own parts: distinct relations one part after the other,
  /// or with relation prediction all relations of each part. It may be changed. Where it is staged, `failed` is then
  /// whether that of any rank was.
  virtual RelationSum sum_relations(const Lists& lists, Matrix own, bool& failed) = 0;

 protected:
  ResidentExchange(const EngineSetup& setup, const StepSchedule& schedule, Resident<kSpace>& in, bool through_host);
  /// Adds up [rows, cols] matrices over the tree, in place: the sum is where the first of them was.
  template <class Leaf>
  Matrix add_up(exchange::PartRange node, std::span<const exchange::PartRange> known, const Leaf& leaf) const {
    return exchange::reduce_tree<Matrix>(node, known, leaf, [&](Matrix left, Matrix right) {
      const auto each = in_.counting(left.rows);
      in_.kernels.rows.add(right, each, each, left);
      return left;
    });
  }

  /// Merges the statistics of the nodes `known` of the tree [nodes, B], in place. By a kernel wherever they came from:
  /// on one device the bits do not depend on the number of ranks.
  Vector<const kernels::Statistic> merge(std::span<const exchange::PartRange> known,
                                         Vector<kernels::Statistic> of_nodes, std::size_t queries) const {
    using Statistics = Vector<kernels::Statistic>;
    return exchange::reduce_tree<Statistics>(
        {0, shard_.manifest.part_count()}, known,
        [&](std::size_t node) { return of_nodes.subspan(node * queries, queries); },
        [&](Statistics left, Statistics right) {
          if (is_binary_)
            in_.kernels.statistics.add(right, left);
          else
            in_.kernels.statistics.merge(right, left);
          return left;
        });
  }

  // NOLINTBEGIN(misc-non-private-member-variables-in-classes)
  Resident<kSpace>& in_;
  const graph::Shard& shard_;
  bool predicts_;
  bool is_binary_;
  std::size_t width_;
  exchange::QueryExchange host_;
  Matrix gradients_;  // [own subtrees * B, width]
                      // NOLINTEND(misc-non-private-member-variables-in-classes)
};

/// Directly through `transport`; without one through the host, where there are several ranks.
template <kernels::Space kSpace>
std::unique_ptr<ResidentExchange<kSpace>> make_resident_exchange(const EngineSetup& setup, const StepSchedule& schedule,
                                                                 Resident<kSpace>& in,
                                                                 RankTransport<kSpace>* transport);

extern template class ResidentExchange<kernels::Space::kHost>;
extern template class ResidentExchange<kernels::Space::kDevice>;

}  // namespace tessera::train
