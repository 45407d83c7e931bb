// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/rows_exchange.hpp"
#include "exchange/sparse_tree_sum.hpp"
#include "train/batch.hpp"
#include "train/dropout.hpp"
#include "train/engine.hpp"
#include "train/epoch_loss.hpp"
#include "train/relation_step.hpp"
#include "train/row_update.hpp"
#include "train/step.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace tessera::train {

/// exchange.mode = "rows": queries stay where their source is, and the rows that they miss come to them.
class RowsEngine final : public Engine {
 public:
  explicit RowsEngine(const EngineSetup& setup);
  double run_epoch(std::uint32_t epoch, Progress* progress) override;
  [[nodiscard]] std::uint64_t query_count() const override { return query_count_; }
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] Optimiser& optimiser() override { return optimiser_; }

  static std::vector<std::uint64_t> halo_rows(const graph::Shard& shard, const Job& job);

 private:
  void draw(std::uint32_t epoch, std::uint64_t step);
  void prime(std::uint32_t epoch);
  void run_step(std::uint32_t epoch, std::uint64_t step);
  void update(std::size_t slot, std::uint32_t epoch, std::uint64_t step);
  [[nodiscard]] std::span<Batch* const> batches(std::size_t slot) { return batches_[slot]; }

  comm::Communicator& comm_;
  const graph::Shard& shard_;
  model::Parameters& parameters_;
  const kernels::Backend& backend_;
  std::size_t threads_;
  std::uint64_t seed_;
  Scope scope_;
  StepSchedule schedule_;
  std::uint64_t query_count_ = 0;
  Objective objective_;
  Optimiser optimiser_;
  std::vector<std::unique_ptr<Batch>> owned_batches_;
  std::array<std::vector<Batch*>, exchange::RowsExchange::kSlots> batches_;
  std::array<std::vector<exchange::RowRequests*>, exchange::RowsExchange::kSlots> requests_;
  exchange::RowsExchange exchange_;
  Dropout dropout_;
  Step step_;
  std::vector<RowUpdate> updates_;
  exchange::SparseTreeSum relation_sum_;
  RelationStep relation_step_;
  EpochLoss loss_;
};

}  // namespace tessera::train
