// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/queries/query_exchange.hpp"
#include "exchange/queries/target_exchange.hpp"
#include "execution/stage_clock.hpp"
#include "sampling/dropout.hpp"
#include "train/engine.hpp"
#include "train/epoch_loss.hpp"
#include "train/queries/candidate_gradients.hpp"
#include "train/queries/draw.hpp"
#include "train/queries/relation_prediction.hpp"
#include "train/query_sides.hpp"
#include "train/rank_execution.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tessera::train {

/// exchange.mode = "queries": entity rows never move; every rank scores all queries of a step against its own rows.
/// With all rows as candidates the softmax is the exact one. Written once over an executor: on the host, blocks of rows
/// are spread over threads; on a device, a kernel takes a whole part. The lists of the next step are made and copied
/// while this one is computed. Decision 13.
template <execution::Space kSpace>
class QueriesEngine final : public PassEngine {
 public:
  QueriesEngine(const EngineSetup& setup, std::unique_ptr<RankExecution<kSpace>> execution);
  ~QueriesEngine() override { execution_->end(); }
  QueriesEngine(const QueriesEngine&) = delete;
  QueriesEngine& operator=(const QueriesEngine&) = delete;

  void run_pass(const Pass& pass, EpochSums& sums, Progress* progress) override;
  [[nodiscard]] std::uint64_t steps() const override { return schedule_.steps(); }
  [[nodiscard]] std::uint64_t queries() const override { return query_count_; }
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] StageTimes stage_times() const override { return clock_.times(); }
  [[nodiscard]] Optimiser& optimiser() override { return optimiser_; }
  [[nodiscard]] bool holds_parameters() const override { return Tables<kSpace>::kCopies; }
  void download_parameters() override { tables_.download(); }
  [[nodiscard]] std::vector<kernels::ConstDeviceMatrix> device_rows() const override;

 private:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  using Lists = StepLists<kSpace>;

  QueriesEngine(const EngineSetup& setup, std::unique_ptr<RankExecution<kSpace>> execution, const StepSizes& sizes);
  std::uint64_t draw(std::uint64_t step);
  std::uint64_t compute_step(std::uint64_t step, const Lists& lists);
  void compose(const Lists& lists);
  [[nodiscard]] kernels::Vector<kSpace, const kernels::Statistic> statistics(const Lists& lists);
  [[nodiscard]] Matrix query_gradients(const Lists& lists);
  void side_gradients(const Lists& lists, Matrix gradients, const Penalty& penalty);
  void relation_gradients(const Lists& lists, Matrix gradients, const Penalty& penalty);
  void update_relations(const Lists& lists);
  // The three below have rows of the queries of one owned part [own queries, dim].
  [[nodiscard]] Matrix own_queries(const sampling::QueryLists<kSpace>& side) const;
  [[nodiscard]] Matrix own_sources(const sampling::QueryLists<kSpace>& side) const;
  [[nodiscard]] Matrix own_gradients(const Lists& lists, std::size_t p, Matrix of_all) const;
  [[nodiscard]] const RelationPrediction<kSpace>* prediction() const { return prediction_.get(); }

  std::unique_ptr<RankExecution<kSpace>> execution_;  // outlives all that is below
  execution::Executor<kSpace>& executor_;
  comm::Communicator& comm_;
  const graph::Shard& shard_;
  sampling::StepSchedule schedule_;
  CandidateLoss loss_of_;
  std::size_t dim_;
  std::uint64_t query_count_;
  std::uint64_t candidates_per_part_;  // sampled; 0: all
  Optimiser optimiser_;
  sampling::Dropout dropout_;
  Tables<kSpace> tables_;
  execution::StepMemory<kSpace> memory_;
  StepSetup<kSpace> step_setup_;
  exchange::TargetExchange targets_;
  StepDraw<kSpace> draw_;
  std::array<Lists, execution::ListRing<kSpace>::kSlots> lists_;
  QuerySides<kSpace> sides_;
  CandidateScores<kSpace> scores_;
  CandidateGradients<kSpace> gradients_;
  exchange::QueryExchange<kSpace> exchange_;
  std::unique_ptr<RelationPrediction<kSpace>> prediction_;
  bool are_uploaded_ = false;
  Pass pass_;

  Matrix queries_;  // [B, width]: query vectors and, with prediction, their sources
  Matrix sources_;  // without prediction: [own queries, dim]
  Matrix leaves_;   // [distinct relations of all owned parts, gradient dim]
  std::vector<typename QuerySides<kSpace>::Part> side_parts_;

  execution::StageClock<kSpace> clock_;
  EpochLoss<kSpace> loss_;
};

extern template class QueriesEngine<execution::Space::kHost>;
extern template class QueriesEngine<execution::Space::kDevice>;

}  // namespace tessera::train
