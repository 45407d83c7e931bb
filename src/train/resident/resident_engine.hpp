// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "train/dropout.hpp"
#include "train/engine.hpp"
#include "train/epoch_loss.hpp"
#include "train/queries_setup.hpp"
#include "train/resident/candidates.hpp"
#include "train/resident/operators.hpp"
#include "train/resident/prediction.hpp"
#include "train/resident/resident.hpp"
#include "train/resident/resident_exchange.hpp"
#include "train/resident/step_lists.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::train {

/// exchange.mode = "queries" with parameters and all that a step computes in one memory space: a kernel works on a
/// whole part, lists of the next step are made and copied while this step is computed, and the losses of an epoch come
/// back at its end. With products by chains the same bits as QueriesEngine. What ranks exchange is ResidentExchange's.
/// Decision 9.
template <kernels::Space kSpace>
class ResidentEngine final : public Engine {
 public:
  /// `job` fits (check_resident()); `place`, and the memory that it takes, outlive the engine, as `backend` and
  /// `transport` do. Several ranks without a transport exchange through the host; all ranks have one, or none.
  ResidentEngine(const EngineSetup& setup, Place<kSpace>& place, const kernels::BasicBackend<kSpace>& backend,
                 RankTransport<kSpace>* transport = nullptr);

  double run_epoch(std::uint32_t epoch, Progress* progress) override;
  [[nodiscard]] std::uint64_t query_count() const override { return query_count_; }
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] Optimiser& optimiser() override { return optimiser_; }
  [[nodiscard]] bool holds_parameters() const override { return true; }
  void fetch_parameters() override { in_.tables.fetch(parameters_); }
  /// Entity rows of every owned part, where they are; none when they are not in fp32.
  [[nodiscard]] std::vector<kernels::BasicConstMatrix<kSpace>> rows() const;

 private:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  template <class T>
  using Buffer = typename Place<kSpace>::template Buffer<T>;

  void allocate(const QueriesStep::Capacity& capacity);
  void clear_losses();
  void fetch_losses();
  [[nodiscard]] std::optional<std::uint64_t> first_bad_step();
  void agree_on_losses(std::uint32_t epoch);
  void compute_step(std::uint32_t epoch, std::uint64_t step);
  void compose(const StepLists<kSpace>& lists);
  [[nodiscard]] kernels::Vector<kSpace, const kernels::Statistic> statistics(const StepLists<kSpace>& lists);
  [[nodiscard]] Matrix query_gradients(const StepLists<kSpace>& lists);
  void side_gradients(std::size_t p, const PartLists<kSpace>& part, Matrix gradients, const Penalty& penalty);
  void relation_leaf(std::size_t p, const PartLists<kSpace>& part, ConstMatrix gradients, const Penalty& penalty);
  void update_relations(const StepLists<kSpace>& lists, std::uint32_t epoch, std::uint64_t step);
  // Of the queries of owned part p [own queries, dim].
  [[nodiscard]] Matrix own_queries(const PartLists<kSpace>& part) const;
  [[nodiscard]] Matrix own_sources(std::size_t p, const PartLists<kSpace>& part) const;
  [[nodiscard]] Matrix own_source_gradients(std::size_t p, const PartLists<kSpace>& part) const;

  comm::Communicator& comm_;
  const graph::Shard& shard_;
  model::Parameters& parameters_;
  Place<kSpace>& place_;
  StepSchedule schedule_;
  CandidateLoss loss_of_;
  std::uint64_t query_count_ = 0;
  std::uint64_t candidates_per_part_;  // sampled; 0: all
  Optimiser optimiser_;
  Dropout dropout_;
  Resident<kSpace> in_;
  std::unique_ptr<ResidentExchange<kSpace>> exchange_;
  StepDraw<kSpace> draw_;
  std::array<StepLists<kSpace>, ListRing<kSpace>::kSlots> lists_;
  ResidentOperators<kSpace> operators_;
  ResidentCandidates<kSpace> candidates_;
  std::unique_ptr<ResidentPrediction<kSpace>> prediction_;
  bool brought_ = false;

  Matrix queries_;                      // [B, width]: query vectors and, with prediction, their sources
  Matrix sources_;                      // without prediction: [own queries, dim]
  Matrix source_gradients_;             // [own queries, dim]
  Matrix leaves_;                       // [distinct relations of all owned parts, gradient dim]
  Buffer<kernels::LossSum> losses_;     // by owned part
  std::vector<std::size_t> own_begin_;  // by owned part: where its queries begin among the own ones

  // Of the host.
  EpochLoss loss_;
  std::uint64_t loss_terms_ = 0;
  std::vector<kernels::LossSum> host_losses_;
};

extern template class ResidentEngine<kernels::Space::kHost>;
extern template class ResidentEngine<kernels::Space::kDevice>;

}  // namespace tessera::train
