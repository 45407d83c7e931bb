// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/query_exchange.hpp"
#include "exchange/sparse_tree_sum.hpp"
#include "train/dropout.hpp"
#include "train/engine.hpp"
#include "train/epoch_loss.hpp"
#include "train/queries_setup.hpp"
#include "train/resident/candidates.hpp"
#include "train/resident/operators.hpp"
#include "train/resident/prediction.hpp"
#include "train/resident/resident.hpp"
#include "train/resident/step_lists.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tessera::train {

/// exchange.mode = "queries" with parameters and all that a step computes in one memory space: a kernel works on a
/// whole part, lists of the next step are made and copied while this step is computed, and the losses of an epoch come
/// back at its end. With products by chains the same bits as QueriesEngine. One rank keeps everything there; several
/// ranks hand query vectors, statistics and gradients to the host's exchange and wait for it. Decision 9.
template <kernels::Space kSpace>
class ResidentEngine final : public Engine {
 public:
  /// `job` fits (check_resident()); `place`, and the memory that it takes, outlive the engine, as `backend` does.
  ResidentEngine(const EngineSetup& setup, Place<kSpace>& place, const kernels::BasicBackend<kSpace>& backend);

  double run_epoch(std::uint32_t epoch, Progress* progress) override;
  [[nodiscard]] std::uint64_t query_count() const override { return query_count_; }
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] Optimiser& optimiser() override { return optimiser_; }
  [[nodiscard]] bool holds_parameters() const override { return true; }
  void fetch_parameters() override { in_.tables.fetch(parameters_); }

 private:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  template <class T>
  using Buffer = typename Place<kSpace>::template Buffer<T>;

  void allocate(const QueriesStep::Capacity& capacity, memory::Pool& host);
  void clear_losses();
  void fetch_losses();
  void compute_step(std::uint32_t epoch, std::uint64_t step);
  void compose(const StepLists<kSpace>& lists);
  void gather_queries(const StepLists<kSpace>& lists);
  void merge_statistics(const StepLists<kSpace>& lists);
  void return_gradients(const StepLists<kSpace>& lists);
  void side_gradients(std::size_t p, const PartLists<kSpace>& part, const Penalty& penalty);
  void relation_leaf(std::size_t p, const PartLists<kSpace>& part, const Penalty& penalty);
  void update_relations(const StepLists<kSpace>& lists);
  void sum_over_parts(exchange::PartRange node, Matrix dense);
  void sum_over_ranks(const StepLists<kSpace>& lists);
  // Of the queries of owned part p [own queries, dim].
  [[nodiscard]] Matrix own_queries(const PartLists<kSpace>& part) const;
  [[nodiscard]] Matrix own_sources(std::size_t p, const PartLists<kSpace>& part) const;
  [[nodiscard]] Matrix own_gradients(std::size_t p, const PartLists<kSpace>& part) const;
  [[nodiscard]] Matrix own_source_gradients(std::size_t p, const PartLists<kSpace>& part) const;

  comm::Communicator& comm_;
  const graph::Shard& shard_;
  model::Parameters& parameters_;
  Place<kSpace>& place_;
  StepSchedule schedule_;
  CandidateLoss loss_of_;
  bool staged_;  // several ranks
  std::uint64_t query_count_ = 0;
  std::uint64_t candidates_per_part_;  // sampled; 0: all
  Optimiser optimiser_;
  Dropout dropout_;
  exchange::QueryExchange exchange_;
  StepDraw<kSpace> draw_;
  std::array<StepLists<kSpace>, ListRing<kSpace>::kSlots> lists_;
  Resident<kSpace> in_;
  ResidentOperators<kSpace> operators_;
  ResidentCandidates<kSpace> candidates_;
  std::unique_ptr<ResidentPrediction<kSpace>> prediction_;
  std::size_t width_;  // floats per query that are exchanged
  bool brought_ = false;

  Matrix queries_;                         // [B, width]: query vectors and, with prediction, their sources
  Matrix sources_;                         // without prediction: [own queries, dim]
  Matrix gradients_;                       // [own subtrees * B, width]
  Matrix returned_;                        // staged: [own queries, width]
  Matrix source_gradients_;                // [own queries, dim]
  Matrix leaves_;                          // [distinct relations of all owned parts, gradient dim]
  Matrix relation_sums_;                   // [relations, gradient dim]
  Buffer<kernels::Statistic> statistics_;  // [own subtrees, B], the first after merging: of all
  Buffer<kernels::LossSum> losses_;        // by owned part
  Buffer<std::uint32_t> relation_ids_;     // staged
  std::vector<std::size_t> own_begin_;     // by owned part: where its queries begin among the own ones
  std::uint64_t capacity_ = 0;             // queries of a step

  // Of the host.
  EpochLoss loss_;
  std::uint64_t loss_terms_ = 0;
  std::vector<kernels::LossSum> host_losses_;
  std::unique_ptr<exchange::SparseTreeSum> relation_sum_;  // staged
  memory::Buffer<float> staged_queries_;
  memory::Buffer<float> staged_leaves_;
  memory::Buffer<std::uint32_t> all_relations_;
  std::vector<exchange::QueryExchange::PartQueries> part_queries_;
  std::vector<exchange::SparseRows> host_leaves_;
};

extern template class ResidentEngine<kernels::Space::kHost>;
extern template class ResidentEngine<kernels::Space::kDevice>;

}  // namespace tessera::train
