// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/query_exchange.hpp"
#include "exchange/sparse_tree_sum.hpp"
#include "train/batch.hpp"
#include "train/dropout.hpp"
#include "train/engine.hpp"
#include "train/epoch_loss.hpp"
#include "train/queries_step.hpp"
#include "train/query_batch.hpp"
#include "train/query_items.hpp"
#include "train/query_side.hpp"
#include "train/relation_step.hpp"
#include "train/row_update.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace tessera::train {

/// exchange.mode = "queries": entity rows never move; every rank scores all queries of a step against its own rows.
/// With all rows as candidates the softmax is the exact one.
class QueriesEngine final : public Engine {
 public:
  explicit QueriesEngine(const EngineSetup& setup);
  double run_epoch(std::uint32_t epoch, Progress* progress) override;
  [[nodiscard]] std::uint64_t query_count() const override { return query_count_; }
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] Optimiser& optimiser() override { return optimiser_; }

 private:
  void draw(std::uint32_t epoch, std::uint64_t step);
  void run_step(std::uint32_t epoch, std::uint64_t step);
  void compose();
  void finish_gradients();
  exchange::SparseRows with_relation_prediction(std::size_t part, const exchange::SparseRows& sparse);

  comm::Communicator& comm_;
  const graph::Shard& shard_;
  model::Parameters& parameters_;
  const kernels::Backend& backend_;
  std::size_t threads_;
  std::uint64_t seed_;
  StepSchedule schedule_;
  std::uint64_t query_count_ = 0;
  std::uint64_t candidates_per_part_;  // sampled; 0: all
  CandidateLoss objective_;
  Optimiser optimiser_;
  Dropout dropout_;
  std::vector<QueryItems> items_;  // of owned parts, as the next four
  std::vector<std::unique_ptr<QueryBatch>> owned_batches_;
  std::vector<std::unique_ptr<QuerySide>> owned_sides_;
  std::vector<QueryBatch*> batches_;
  std::vector<QuerySide*> sides_;
  exchange::QueryExchange exchange_;
  QueriesStep step_;
  exchange::SparseTreeSum relation_sum_;
  RelationStep relation_step_;
  std::vector<exchange::QueryExchange::PartQueries> part_queries_;
  std::vector<exchange::SparseRows> leaves_;
  memory::Buffer<std::uint32_t> all_relations_;
  EpochLoss loss_;
  std::uint64_t loss_terms_ = 0;  // of an epoch
};

}  // namespace tessera::train
