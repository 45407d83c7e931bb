// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "execution/executor.hpp"
#include "propagation/message_graph.hpp"
#include "propagation/network.hpp"
#include "search/entity_scores.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tessera::propagation {

/// The weights that all models have here: layers over the edges of the graph, and the score of a state.
struct EntityWeights {
  std::size_t dim = 0;
  std::vector<kernels::LayerWeights> layers;
  kernels::LinearWeights hidden;  ///< of the score: (state, query) to 2 dim numbers
  const float* output = nullptr;  ///< [2 dim]
  float output_bias = 0;
};

/// A model by what makes it differ from others: the rows of relations with which a query goes through the layers.
class RelationRowMaker {
 public:
  virtual ~RelationRowMaker() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual const EntityWeights& weights() const = 0;
  /// Queries of relations for which this is the same share their rows.
  [[nodiscard]] virtual std::uint32_t condition_of(std::uint32_t directed) const = 0;
  /// Memory for each thread.
  [[nodiscard]] virtual std::uint64_t worker_bytes() const = 0;
  virtual void take_workers(std::size_t count, memory::Pool& pool) = 0;
  /// rows = [1 + layers, directed relations, dim]: the rows of queries, then those of each layer. Threads call it at
  /// the same time for different workers.
  virtual void make(std::uint32_t condition, std::span<float> rows, std::size_t worker) const = 0;
};

/// A model on a graph: for a query (source, relation, ?) layers over the entities give a score for each entity. Queries
/// are shared out to threads. The bits of a score depend on the weights and the graph alone.
class GraphScores final : public search::EntityScores {
 public:
  /// Takes its memory (Tag::kEvaluation) from the pool of `host`, at most half of what is free: walks for as many
  /// threads as fit, and an Unasked if that fits, too. Throws Error(kOverBudget).
  GraphScores(std::unique_ptr<RelationRowMaker> model, std::shared_ptr<const MessageGraph> graph,
              const execution::HostExecutor& host);
  ~GraphScores() override;
  GraphScores(const GraphScores&) = delete;
  GraphScores& operator=(const GraphScores&) = delete;

  void score(std::span<const search::Query> queries, const Consume& consume) override;
  [[nodiscard]] std::string name() const override { return model_->name(); }
  [[nodiscard]] std::uint64_t dim() const override { return weights_.dim; }
  [[nodiscard]] std::uint32_t train_degree(EntityId entity) const override;

 private:
  struct Condition;
  struct Worker;
  struct Task;
  struct Spread;
  void run_conditions(std::span<Task> tasks, const Spread& spread);
  void run_tasks(std::span<const Task> tasks, const Spread& spread);
  void run_query(const Task& task, const Spread& spread, Worker& worker) const;
  void run_unasked(const Condition& condition);
  [[nodiscard]] bool pays(std::span<const Task> group, const Spread& spread);
  [[nodiscard]] kernels::ScoreWeights score_weights(std::span<const float> query, std::vector<float>& bias) const;
  void take_memory();

  std::unique_ptr<RelationRowMaker> model_;
  const EntityWeights& weights_;
  std::shared_ptr<const MessageGraph> graph_;
  execution::HostExecutor host_;
  const kernels::Propagation& kernels_;
  Network network_;
  std::vector<Worker> workers_;
  std::vector<Condition> conditions_;
  std::optional<Unasked> unasked_;
  memory::Buffer<float> unasked_sums_;                 // [workers, block, dim]
  std::vector<memory::Buffer<float>> unasked_scores_;  // of both directions of a relation
  std::vector<std::uint32_t> all_nodes_;
};

}  // namespace tessera::propagation
