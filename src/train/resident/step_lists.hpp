// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/groups.hpp"
#include "exchange/query_exchange.hpp"
#include "graph/shard.hpp"
#include "kernels/backend.hpp"
#include "train/engine.hpp"
#include "train/queries_setup.hpp"
#include "train/query_batch.hpp"
#include "train/query_items.hpp"
#include "train/resident/exchange_lists.hpp"
#include "train/resident/list_ring.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tessera::train {

/// What a step knows of one owned part before anything is computed.
template <kernels::Space kSpace>
struct PartLists {
  using Indices = typename ListRing<kSpace>::Indices;
  using Floats = typename ListRing<kSpace>::Floats;
  using Segments = kernels::BasicSegments<kSpace>;
  // Own queries: query_begin .. query_begin + queries - 1 of the step.
  std::size_t queries = 0;
  std::size_t query_begin = 0;
  OrderPosition position;
  Indices sources;
  Indices relations;
  Indices relation_leaves;  ///< in a model with a core: where their relations are among those of all owned parts
  Floats answers;
  Indices source_ids;
  Segments by_source;
  Indices relation_ids;
  Segments by_relation;
  std::span<const std::uint32_t> host_relation_ids;  ///< the same on the host, until the next step is drawn
  Floats relation_answers;
  std::size_t first_leaf = 0;  ///< where its distinct relations begin among those of all owned parts
  Indices dense_slots;         ///< with relation prediction: where these are among the relations of all owned parts
  // Targets of all queries that are rows of this part, in the order of the step: the row, the entry, query, relation.
  std::size_t targets = 0;
  std::size_t first_target = 0;  ///< where they begin among those of all owned parts
  Indices target_row;
  Indices target_entry;
  Indices target_query;
  Indices target_relation;
  Indices query_offsets;  ///< [queries of the step + 1]: targets by query
  Indices target_ids;
  Segments by_target;
  Floats target_counts;
  // Sampled candidates: those that are targets, and all occurrences of rows (candidates, targets, sources) by row.
  Indices candidates;
  kernels::BasicRuns<kSpace> masked;
  Indices occurrence_ids;
  Segments by_occurrence;
};

/// What a step knows before anything is computed.
template <kernels::Space kSpace>
struct StepLists {
  using Indices = typename ListRing<kSpace>::Indices;
  std::uint64_t queries = 0;
  std::uint64_t targets = 0;
  Indices first_target;  ///< [queries + 1]
  std::vector<PartLists<kSpace>> parts;
  ExchangeLists<kSpace> exchange;  ///< unless ranks exchange through the host
};

/// Draws steps, the same as QueriesEngine does, and makes their lists.
template <kernels::Space kSpace>
class StepDraw {
 public:
  /// `exchange_lists`: those of DirectExchange, too.
  StepDraw(const EngineSetup& setup, const StepSchedule& schedule, exchange::QueryExchange& exchange,
           bool exchange_lists, Place<kSpace>& place);

  /// Collective. Draws a step and sends its lists; ring().take() makes them seen.
  void draw(std::uint32_t epoch, std::uint64_t step, StepLists<kSpace>& lists);
  [[nodiscard]] ListRing<kSpace>& ring() { return ring_; }

 private:
  struct Targets {  // in an owned part
    Targets(std::uint64_t capacity, memory::Pool& pool);
    memory::Buffer<std::uint32_t> row;
    memory::Buffer<std::uint32_t> entry;
    memory::Buffer<std::uint32_t> query;
    memory::Buffer<std::uint32_t> relation;
    std::size_t count = 0;
    exchange::Groups by_row;
  };

  [[nodiscard]] static std::uint64_t words(const QueriesStep::Capacity& capacity, bool exchange_lists);
  void find_targets();
  void put_queries(std::size_t p, PartLists<kSpace>& lists);
  void put_targets(std::size_t p, PartLists<kSpace>& lists);
  void put_sampled(std::size_t p, PartLists<kSpace>& lists);
  kernels::BasicSegments<kSpace> put_groups(const exchange::Groups& groups);

  const graph::Shard& shard_;
  exchange::QueryExchange& exchange_;
  std::size_t threads_;
  std::uint64_t seed_;
  bool predicts_relations_;
  bool has_core_;
  StepSchedule schedule_;
  std::vector<QueryItems> items_;
  std::vector<std::unique_ptr<QueryBatch>> batches_;
  std::vector<Targets> targets_;
  std::vector<std::unique_ptr<exchange::Groups>> occurrences_;
  std::vector<exchange::QueryExchange::PartQueries> part_queries_;
  memory::Buffer<std::uint32_t> first_target_;
  std::vector<std::uint32_t> scratch_[2];
  std::vector<std::span<const std::uint32_t>> part_relations_;
  std::unique_ptr<ExchangeDraw<kSpace>> exchange_draw_;
  ListRing<kSpace> ring_;
};

extern template class StepDraw<kernels::Space::kHost>;
extern template class StepDraw<kernels::Space::kDevice>;

}  // namespace tessera::train
