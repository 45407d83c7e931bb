// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "core/job.hpp"
#include "core/progress.hpp"
#include "exchange/rows_exchange.hpp"
#include "exchange/sparse_tree_sum.hpp"
#include "graph/shard.hpp"
#include "kernels/backend.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"
#include "train/batch.hpp"
#include "train/row_update.hpp"
#include "train/step.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace tessera::train {

/// Rows behind each part's own that its halo needs; for Parameters.
std::vector<std::uint64_t> halo_rows(const graph::Shard& shard, const Job& job);

/// The training loop of one rank: owns batches, exchange, step and updates, all allocated when it is made. Epochs
/// allocate nothing.
class Engine {
 public:
  /// `parameters` was made with halo_rows(). Throws Error(kOverBudget) when the pool is too small. Not collective.
  Engine(comm::Communicator& comm, const graph::Shard& shard, const Job& job, model::Parameters& parameters,
         std::size_t threads, const kernels::Backend& backend, memory::Pool& pool);

  /// Collective. One pass over all queries; returns the mean loss, the same bits on every rank and any number of them.
  /// Throws AgreedError(kBadData) naming the step when a loss is not finite.
  double run_epoch(std::uint32_t epoch, Progress* progress = nullptr);

  [[nodiscard]] const StepSchedule& schedule() const { return schedule_; }
  /// Training queries of all parts.
  [[nodiscard]] std::uint64_t query_count() const { return query_count_; }

 private:
  void draw(std::uint32_t epoch, std::uint64_t step);
  void prime(std::uint32_t epoch);
  void run_step(std::uint32_t epoch, std::uint64_t step);
  void update(std::size_t slot, std::uint32_t epoch, std::uint64_t step);
  [[nodiscard]] std::span<Batch* const> batches(std::size_t slot) { return batches_[slot]; }
  double mean_loss();

  comm::Communicator& comm_;
  const graph::Shard& shard_;
  model::Parameters& parameters_;
  const kernels::Backend& backend_;
  std::size_t threads_;
  std::uint64_t seed_;
  bool own_part_only_;
  StepSchedule schedule_;
  std::uint64_t query_count_ = 0;
  Objective objective_;
  Optimiser optimiser_;
  std::vector<std::unique_ptr<Batch>> owned_batches_;
  std::array<std::vector<Batch*>, exchange::RowsExchange::kSlots> batches_;
  std::array<std::vector<exchange::RowRequests*>, exchange::RowsExchange::kSlots> requests_;
  exchange::RowsExchange exchange_;
  Step step_;
  std::vector<RowUpdate> updates_;
  exchange::SparseTreeSum relation_sum_;
  std::vector<double> losses_;      // by owned part, summed over the epoch
  std::vector<double> all_losses_;  // by part
  std::vector<std::uint64_t> loss_counts_;
};

}  // namespace tessera::train
