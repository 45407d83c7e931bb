// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/sparse_tree_sum.hpp"
#include "memory/staging.hpp"
#include "train/resident/resident_exchange.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tessera::train {

/// Through the host's exchange, whose collectives are those of QueriesEngine in the same order; from and to a device
/// by pinned memory. The host waits for each of the four.
template <kernels::Space kSpace>
class StagedExchange final : public ResidentExchange<kSpace> {
 public:
  using Base = ResidentExchange<kSpace>;
  using typename Base::Lists;
  using typename Base::Matrix;
  using typename Base::RelationSum;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;

  StagedExchange(const EngineSetup& setup, const StepSchedule& schedule, Resident<kSpace>& in);

  [[nodiscard]] std::string description() const override { return "ranks exchange through the host"; }
  [[nodiscard]] bool is_staged() const override { return true; }
  [[nodiscard]] bool needs_lists() const override { return false; }
  void gather_queries(const Lists& lists, Matrix queries) override;
  [[nodiscard]] Vector<kernels::Statistic> statistics(const Lists& lists, std::size_t k) override;
  Vector<const kernels::Statistic> merge_statistics(const Lists& lists, Vector<float> target_scores) override;
  Matrix return_gradients(const Lists& lists) override;
  RelationSum sum_relations(const Lists& lists, Matrix own, bool& failed) override;

 private:
  using Base::gradients_;
  using Base::host_;
  using Base::in_;
  using Base::predicts_;
  using Base::shard_;
  using Base::width_;
  static constexpr std::uint64_t kSlotBytes = std::uint64_t{4} << 20U;

  memory::Staging<kSpace> staging_;
  typename Place<kSpace>::template Buffer<kernels::Statistic> statistics_;  // [own subtrees, B], then of all
  Matrix returned_;                                                         // [own queries, width]
  Matrix relation_sums_;                                                    // [relations, operator dim]
  typename Place<kSpace>::template Buffer<std::uint32_t> relation_ids_;
  // Of the host.
  exchange::SparseTreeSum relation_sum_;
  memory::Buffer<float> queries_;  // own
  memory::Buffer<float> leaves_;
  memory::Buffer<std::uint32_t> all_relations_;
  std::vector<exchange::QueryExchange::PartQueries> part_queries_;
  std::vector<exchange::SparseRows> part_leaves_;
};

extern template class StagedExchange<kernels::Space::kHost>;
extern template class StagedExchange<kernels::Space::kDevice>;

}  // namespace tessera::train
