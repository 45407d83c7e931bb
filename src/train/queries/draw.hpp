// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/groups.hpp"
#include "exchange/queries/query_lists.hpp"
#include "exchange/queries/target_exchange.hpp"
#include "graph/shard.hpp"
#include "sampling/item_order.hpp"
#include "sampling/query_batch.hpp"
#include "sampling/side_draw.hpp"
#include "train/engine.hpp"
#include "train/queries/lists.hpp"
#include "train/queries/sizes.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace tessera::train {

/// Draws one owned part's share of a step and makes its lists.
template <execution::Space kSpace>
class PartDraw {
 public:
  using Writer = execution::ListWriter<kSpace>;

  /// The uses and sizes of the lists.
  struct Uses {
    typename sampling::SideDraw<kSpace>::Uses side;
    bool predicts_relations = false;
    bool has_weights = false;
    std::size_t slot_rows = 0;       ///< rows of a block of candidates
    std::uint64_t step_queries = 0;  ///< most of all parts in a step
    std::uint64_t step_targets = 0;
    std::size_t index = 0;  ///< index of the part among the owned ones
  };
  PartDraw(const EngineSetup& setup, const graph::Part& part, const PartSizes& sizes, const Uses& uses);

  /// Most numbers that put() puts for a share of these sizes, of a step of `queries` queries.
  [[nodiscard]] static std::uint64_t words(const sampling::BatchSizes& share, std::uint64_t queries);

  void draw(const sampling::StepSchedule& schedule, std::uint32_t epoch, std::uint64_t step, std::size_t threads);
  [[nodiscard]] const sampling::QueryBatch& batch() const { return batch_; }

  /// The targets of all parts become known, in the order of the step: begin, add own ones, end.
  void begin_targets() { count_ = 0; }
  void add_target(std::uint32_t row, std::uint32_t entry, const exchange::QueryTarget& target);
  void end_targets();
  [[nodiscard]] std::size_t target_count() const { return count_; }
  [[nodiscard]] sampling::BatchSizes share() const { return {batch_.size(), count_, batch_.candidates().size()}; }

  /// Where the part's lists begin among those of the owned parts.
  struct Begin {
    std::size_t step_query = 0;  ///< among the queries of the step
    std::size_t query = 0;
    std::size_t leaf = 0;
    std::size_t target = 0;
    std::size_t occurrence = 0;
  };
  /// Puts the lists of a step of `queries` queries.
  void put(const Begin& begin, std::uint64_t queries, Writer& writer, sampling::QueryLists<kSpace>& side,
           PartLists<kSpace>& lists);

 private:
  using Indices = typename Writer::Indices;
  void put_side(const Begin& begin, Writer& writer, sampling::QueryLists<kSpace>& side);
  void put_dense_slots(Writer& writer, sampling::QueryLists<kSpace>& side);
  void put_targets(std::uint64_t queries, Writer& writer, TargetLists<kSpace>& lists);
  void put_cells(Writer& writer, TargetLists<kSpace>& lists);
  void put_weighted_counts(Writer& writer, TargetLists<kSpace>& lists);
  void put_sampled(Writer& writer, const TargetLists<kSpace>& targets, SampledLists<kSpace>& lists);
  Indices put_slots(std::span<const std::uint32_t> rows, Writer& writer);

  const graph::Part& part_;
  std::uint64_t seed_;
  Uses uses_;
  sampling::ItemOrder items_;
  sampling::QueryBatch batch_;
  sampling::SideDraw<kSpace> side_;
  std::size_t count_ = 0;  // count of targets in this part
  memory::Buffer<std::uint32_t> row_;
  memory::Buffer<std::uint32_t> entry_;
  memory::Buffer<std::uint32_t> query_;
  memory::Buffer<std::uint32_t> relation_;
  memory::Buffer<float> times_;
  exchange::Groups by_row_;
  std::optional<exchange::Groups> occurrences_;  // occurrences of sampled candidates
  std::vector<std::uint32_t> scratch_[3];
  std::vector<float> counts_;
};

/// Draws the steps of a rank and makes their lists, a step ahead of the kernels.
template <execution::Space kSpace>
class StepDraw {
 public:
  /// The arguments outlive this object.
  StepDraw(const EngineSetup& setup, execution::Executor<kSpace>& executor, const StepSizes& sizes,
           exchange::TargetExchange& exchange);

  /// Collective. Draws a step and sends its lists; ring().take() makes them seen. `failed`: the first step of the epoch
  /// whose loss is no number, or TargetExchange::kNone; returns that of any rank.
  std::uint64_t draw(std::uint32_t epoch, std::uint64_t step, std::uint64_t failed, StepLists<kSpace>& lists);
  [[nodiscard]] execution::ListRing<kSpace>& ring() { return ring_; }

 private:
  void find_targets();
  void begin_lists(std::uint64_t step);
  void put(StepLists<kSpace>& lists);
  void put_times(StepLists<kSpace>& lists);

  const graph::Shard& shard_;
  exchange::TargetExchange& exchange_;
  std::size_t threads_;
  sampling::StepSchedule schedule_;
  std::vector<std::unique_ptr<PartDraw<kSpace>>> parts_;
  std::vector<exchange::TargetExchange::PartQueries> part_queries_;
  std::vector<std::span<const std::uint32_t>> part_relations_;
  bool has_weights_;
  memory::Buffer<std::uint32_t> first_target_;
  std::vector<float> times_;  // weights of the targets of the step
  std::uint64_t exchange_words_;
  exchange::QueryExchangeDraw<kSpace> exchange_draw_;
  std::vector<typename PartDraw<kSpace>::Begin> begins_;
  std::vector<std::uint64_t> words_;  // by writer
  execution::ListRing<kSpace> ring_;  // writers: of the step, of the exchange, of each owned part
};

extern template class PartDraw<execution::Space::kHost>;
extern template class PartDraw<execution::Space::kDevice>;
extern template class StepDraw<execution::Space::kHost>;
extern template class StepDraw<execution::Space::kDevice>;

}  // namespace tessera::train
