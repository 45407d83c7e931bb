// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/rows/row_demand.hpp"
#include "exchange/tree/relation_sum.hpp"
#include "sampling/round.hpp"
#include "sampling/step_schedule.hpp"
#include "train/engine.hpp"
#include "train/query_sides.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera::train {

/// The most that a step has when rows are moved: all memory of the engine follows from these numbers.
struct RowsSizes {
  std::vector<std::uint64_t> queries;                     ///< by part
  std::vector<std::uint64_t> own;                         ///< queries, by owned part
  exchange::RowSizes rows;                                ///< by part
  std::uint64_t negatives = 0;                            ///< negatives of a part
  sampling::Round round;                                  ///< of the priors; places 0: there are none
  std::size_t dim = 0;                                    ///< dim of an entity row
  std::size_t row_bytes = 0;                              ///< bytes of an entity row as it travels
  kernels::RowFormat format = kernels::RowFormat::kFp32;  ///< of gradients, and of rows in fp32, that leave their part
  std::size_t relations = 0;                              ///< directed
  std::size_t gradient_dim = 0;                           ///< dim of a relation's gradient
  bool has_core = false;
  bool drops_relations = false;
  bool has_weights = false;          ///< of training triples
  bool makes_all_operators = false;  ///< follows from numbers that are the same on any number of ranks

  [[nodiscard]] std::uint64_t largest_own() const;
  /// Rows of one owned part that its step touches, each use counted.
  [[nodiscard]] std::uint64_t occurrences(std::size_t own_part) const { return 2 * own[own_part] + negatives; }
  /// Most distinct relations of an owned part's queries, and their sum over the owned parts.
  [[nodiscard]] std::size_t distinct_relations(std::size_t own_part) const;
  [[nodiscard]] std::size_t own_distinct_relations() const;
  [[nodiscard]] SideSizes side() const;
  [[nodiscard]] exchange::RelationSumSizes relation_sum() const { return {queries, relations, gradient_dim}; }
  /// The most that a rank sends and receives at once.
  [[nodiscard]] std::uint64_t largest_exchange_bytes(const graph::Shard& shard) const;
};

sampling::StepSchedule query_schedule(const graph::PartitionManifest& manifest, const Job& job);
/// Whether negatives and targets have priors in a round (sampling::Round).
bool has_priors(const Job& job);
/// Negatives of each part in a step.
std::uint64_t negative_count(const graph::PartitionManifest& manifest, const Job& job);
/// The most distinct rows that each part touches in a step.
exchange::RowSizes row_sizes(const graph::PartitionManifest& manifest, const Job& job);
RowsSizes rows_sizes(const EngineSetup& setup);

}  // namespace tessera::train
