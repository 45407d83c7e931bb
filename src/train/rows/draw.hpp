// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/groups.hpp"
#include "exchange/rows/row_demand.hpp"
#include "exchange/tree/query_relations.hpp"
#include "graph/shard.hpp"
#include "sampling/row_batch.hpp"
#include "sampling/side_draw.hpp"
#include "train/engine.hpp"
#include "train/rows/lists.hpp"
#include "train/rows/sizes.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tessera::train {

/// Makes the lists of one owned part.
template <execution::Space kSpace>
class RowsPartDraw {
 public:
  using Writer = execution::ListWriter<kSpace>;

  /// `arriving`: most gradients that arrive for the part in a step.
  RowsPartDraw(const graph::Shard& shard, const RowsSizes& sizes, std::size_t own_part, std::uint64_t arriving,
               memory::Pool& pool);
  /// Most numbers that put() puts.
  [[nodiscard]] static std::uint64_t words(const RowsSizes& sizes, std::size_t own_part, std::uint64_t arriving);

  struct Drawn {
    const sampling::RowBatch& batch;
    std::size_t own_begin = 0;             ///< where its queries begin among those of the owned parts
    std::size_t first_leaf = 0;            ///< and its distinct relations
    std::span<const std::uint32_t> asked;  ///< RowDemand::asked()
  };
  struct Lists {
    sampling::QueryLists<kSpace>& side;
    RowsPartLists<kSpace>& part;
    typename Writer::Indices& asked;
  };
  void put(const Drawn& drawn, Writer& writer, const Lists& lists);

 private:
  void put_priors(const sampling::RowBatch& batch, Writer& writer, RowsPartLists<kSpace>& lists);
  void put_masked(const sampling::RowBatch& batch, Writer& writer, RowsPartLists<kSpace>& lists);

  const graph::PartitionManifest& manifest_;
  PartId part_;
  sampling::Round round_;
  std::uint64_t rows_;
  sampling::SideDraw<kSpace> side_;
  exchange::Groups arriving_;
  std::vector<float> priors_;
  std::vector<std::uint32_t> scratch_[3];
};

/// Draws the steps of a rank and makes their lists. Batches are drawn two steps ahead, since owners of rows learn early
/// who needs them; lists are made a step ahead.
template <execution::Space kSpace>
class RowsDraw {
 public:
  static constexpr std::size_t kSlots = exchange::RowDemand::kSlots;

  /// The arguments outlive this object.
  RowsDraw(const EngineSetup& setup, execution::Executor<kSpace>& executor, const RowsSizes& sizes,
           const sampling::StepSchedule& schedule);

  /// Draws the batches of a step.
  void draw(std::uint32_t epoch, std::uint64_t step);
  /// The rows that the owned parts need [owned parts].
  [[nodiscard]] std::span<exchange::RowRequests* const> requests(std::uint64_t step) const {
    return requests_[step % kSlots];
  }
  /// Collective. Makes the lists of a step whose demand is finished, and sends them; ring().take() makes them seen.
  /// `failed` and the result: QueryRelations::gather().
  std::uint64_t put(std::uint64_t step, const exchange::RowDemand& demand, std::uint64_t failed,
                    RowsStepLists<kSpace>& lists);
  /// The lists of the next step are made before the work on this one.
  using Ring = execution::ListRing<kSpace, 2>;
  [[nodiscard]] Ring& ring() { return ring_; }

 private:
  struct Begin {
    std::size_t query = 0;
    std::size_t leaf = 0;
  };
  std::uint64_t gather_relations(std::uint64_t step, std::uint64_t failed);
  [[nodiscard]] const sampling::RowBatch& batch(std::uint64_t step, std::size_t p) const {
    return *batches_[step % kSlots][p];
  }

  const graph::Shard& shard_;
  std::size_t threads_;
  std::uint64_t seed_;
  sampling::Scope scope_;
  const sampling::StepSchedule& schedule_;
  std::vector<sampling::ItemOrder> orders_;  // of each owned part
  std::array<std::vector<std::unique_ptr<sampling::RowBatch>>, kSlots> batches_;
  std::array<std::vector<exchange::RowRequests*>, kSlots> requests_;
  std::vector<std::unique_ptr<RowsPartDraw<kSpace>>> parts_;
  exchange::QueryRelations relations_;
  exchange::RelationSumDraw<kSpace> relation_sum_;
  std::vector<Begin> begins_;
  std::vector<std::uint64_t> counts_;                           // queries, by part
  std::vector<std::span<const std::uint32_t>> own_relations_;   // by owned part: of queries
  std::vector<std::span<const std::uint32_t>> part_relations_;  // by owned part: distinct ones
  std::vector<std::uint64_t> words_;                            // by writer: of the relations, of each owned part
  Ring ring_;
};

extern template class RowsPartDraw<execution::Space::kHost>;
extern template class RowsPartDraw<execution::Space::kDevice>;
extern template class RowsDraw<execution::Space::kHost>;
extern template class RowsDraw<execution::Space::kDevice>;

}  // namespace tessera::train
