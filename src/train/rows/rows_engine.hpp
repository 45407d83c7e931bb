// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/random.hpp"
#include "exchange/rows/gradient_return.hpp"
#include "exchange/rows/halo_rows.hpp"
#include "exchange/rows/row_demand.hpp"
#include "exchange/tree/relation_sum.hpp"
#include "execution/stage_clock.hpp"
#include "sampling/dropout.hpp"
#include "train/engine.hpp"
#include "train/epoch_loss.hpp"
#include "train/query_sides.hpp"
#include "train/rank_execution.hpp"
#include "train/rows/draw.hpp"
#include "train/rows/lists.hpp"
#include "train/rows/rows_step.hpp"
#include "train/rows/sizes.hpp"
#include "train/tables.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tessera::train {

/// exchange.mode = "rows": queries stay where their source is, and the rows that they miss come to them. Steps are in a
/// pipeline: batches are drawn two steps ahead, rows of the next step are on their way while a step computes. Written
/// once over an executor, as QueriesEngine is.
template <execution::Space kSpace>
class RowsEngine final : public PassEngine {
 public:
  RowsEngine(const EngineSetup& setup, std::unique_ptr<RankExecution<kSpace>> execution);
  ~RowsEngine() override { execution_->end(); }
  RowsEngine(const RowsEngine&) = delete;
  RowsEngine& operator=(const RowsEngine&) = delete;

  void run_pass(const Pass& pass, EpochSums& sums, Progress* progress) override;
  [[nodiscard]] std::uint64_t steps() const override { return schedule_.steps(); }
  [[nodiscard]] std::uint64_t queries() const override { return query_count_; }
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] Optimiser& optimiser() override { return optimiser_; }
  [[nodiscard]] bool holds_parameters() const override { return Tables<kSpace>::kCopies; }
  void download_parameters() override { tables_.download(); }
  [[nodiscard]] std::vector<kernels::ConstDeviceMatrix> device_rows() const override;
  [[nodiscard]] StageTimes stage_times() const override { return clock_.times(); }

 private:
  using Lists = RowsStepLists<kSpace>;

  RowsEngine(const EngineSetup& setup, std::unique_ptr<RankExecution<kSpace>> execution, const RowsSizes& sizes);
  [[nodiscard]] std::unique_ptr<exchange::HaloRows<kSpace>> make_halo(const EngineSetup& setup, const RowsSizes& sizes);
  [[nodiscard]] Lists& lists(std::uint64_t step) { return lists_[step % lists_.size()]; }
  void prime();
  void run_step(std::uint64_t step);
  void prepare_next(std::uint64_t step);
  void ask_for_rows(std::uint64_t step);
  void put_lists(std::uint64_t step);
  void compute(const Lists& now, std::uint64_t step);
  void update(const Lists& now, std::uint64_t step_of_all);
  /// Calls body(), whose time is that of `stage`; not within the work of a step.
  template <class Body>
  void timed(Stage stage, const Body& body);

  std::unique_ptr<RankExecution<kSpace>> execution_;  // outlives all that is below
  execution::Executor<kSpace>& executor_;
  comm::Communicator& comm_;
  const graph::Shard& shard_;
  sampling::Scope scope_;
  std::uint64_t negatives_;
  kernels::RowFormat format_;  // of rows in fp32, and of gradients, on their way
  sampling::StepSchedule schedule_;
  std::uint64_t query_count_;
  Optimiser optimiser_;
  sampling::Dropout dropout_;
  Tables<kSpace> tables_;
  execution::StepMemory<kSpace> memory_;
  StepSetup<kSpace> step_setup_;
  exchange::RowDemand demand_;
  RowsDraw<kSpace> draw_;
  std::array<Lists, RowsDraw<kSpace>::Ring::kSlots> lists_;
  std::unique_ptr<exchange::HaloRows<kSpace>> halo_;
  exchange::GradientReturn<kSpace> returns_;
  RandomStream rounding_;  // of gradients on their way
  exchange::RelationSum<kSpace> relation_sum_;
  QuerySides<kSpace> sides_;
  RowsStep<kSpace> step_;
  bool are_uploaded_ = false;
  Pass pass_;
  execution::StageClock<kSpace> clock_;
  EpochLoss<kSpace> loss_;
};

extern template class RowsEngine<execution::Space::kHost>;
extern template class RowsEngine<execution::Space::kDevice>;

}  // namespace tessera::train
