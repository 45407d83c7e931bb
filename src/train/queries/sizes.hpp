// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/queries/query_exchange.hpp"
#include "sampling/query_batch.hpp"
#include "sampling/step_schedule.hpp"
#include "train/engine.hpp"
#include "train/query_sides.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera::train {

/// The most that one owned part has in a step.
struct PartSizes {
  sampling::BatchSizes batch;
  std::uint64_t rows = 0;
  /// Rows of which a step scores all, or those that the batch samples.
  [[nodiscard]] std::uint64_t candidates() const { return batch.candidates > 0 ? batch.candidates : rows; }
};

/// The most that a step has: all memory of the engine follows from these numbers.
struct StepSizes {
  std::uint64_t queries = 0;     ///< queries of all parts
  std::uint64_t targets = 0;     ///< targets of all parts
  exchange::QuerySizes by_part;  ///< queries and targets of all parts
  std::vector<PartSizes> own;    ///< by owned part
  std::size_t dim = 0;           ///< dim of an entity row
  std::size_t relation_dim = 0;  ///< dim of a relation row
  std::size_t operator_dim = 0;  ///< dim of the operator of a relation
  std::size_t gradient_dim = 0;  ///< dim of a relation's gradient: the operator, then the row where there is a core
  std::size_t relations = 0;     ///< directed
  bool has_core = false;
  bool predicts_relations = false;
  bool drops_relations = false;
  bool has_weights = false;  ///< of training triples
  /// With a core: every step makes the operators of all relations, by one product. Follows from numbers that are the
  /// same on any number of ranks, as then the products are.
  bool makes_all_operators = false;

  [[nodiscard]] std::uint64_t own_queries() const;
  /// Floats that travel with a query: its vector, with relation prediction its source too.
  [[nodiscard]] std::size_t width() const { return predicts_relations ? 2 * dim : dim; }
  [[nodiscard]] exchange::QueryExchangeSizes exchange(bool is_binary) const;
  [[nodiscard]] SideSizes side() const;
  /// Most distinct relations of one part's queries.
  [[nodiscard]] std::size_t distinct_relations(const PartSizes& part) const;
  /// The most distinct relations in a step, added up over the owned parts.
  [[nodiscard]] std::size_t own_distinct_relations() const;
};

sampling::StepSchedule item_schedule(const EngineSetup& setup);
/// Candidates that each part samples in a step; 0: all rows are candidates.
std::uint64_t sampled_per_part(const Job& job, std::uint32_t parts);
/// The most that a rank sends and receives at once.
std::uint64_t largest_exchange_bytes(const EngineSetup& setup);
StepSizes step_sizes(const EngineSetup& setup, const sampling::StepSchedule& schedule);

}  // namespace tessera::train
