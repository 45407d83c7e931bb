// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "execution/executor.hpp"
#include "propagation/message_graph.hpp"
#include "propagation/network.hpp"
#include "propagation/weights.hpp"
#include "search/entity_scores.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tessera::propagation {

/// ULTRA on a graph that it need not have seen: for a query (source, relation, ?) a network over the graph of relations
/// makes a row for each relation, and one over the entities a score for each entity. Queries are shared out to threads.
/// The bits of a score depend on the weights and the graph alone.
class Ultra final : public search::EntityScores {
 public:
  /// Takes its memory (Tag::kEvaluation) from the pool of `host`, at most half of what is free: walks for as many
  /// threads as fit, and an Unasked if that fits, too. Throws Error(kOverBudget).
  Ultra(UltraWeights weights, MessageGraph graph, const execution::HostExecutor& host);
  ~Ultra() override;
  Ultra(const Ultra&) = delete;
  Ultra& operator=(const Ultra&) = delete;

  void score(std::span<const search::Query> queries, const Consume& consume) override;
  [[nodiscard]] std::string name() const override { return kUltraName; }
  [[nodiscard]] std::uint64_t dim() const override { return weights_.dim; }
  [[nodiscard]] std::uint32_t train_degree(EntityId entity) const override;

 private:
  struct Condition;
  struct Worker;
  struct Task;
  struct Spread;
  /// Makes the relation rows of a relation.
  void condition(std::uint32_t relation, Condition& out, Worker& worker) const;
  void run_conditions(std::span<Task> tasks, const Spread& spread);
  void run_tasks(std::span<const Task> tasks, const Spread& spread);
  void run_query(const Task& task, const Spread& spread, Worker& worker) const;
  void run_unasked(const Condition& condition);
  [[nodiscard]] bool pays(std::span<const Task> group, const Spread& spread);
  [[nodiscard]] kernels::ScoreWeights score_weights(std::span<const float> query, std::vector<float>& bias) const;
  void take_memory();

  UltraWeights weights_;
  MessageGraph graph_;
  MessageGraph relation_graph_;
  execution::HostExecutor host_;
  const kernels::Propagation& kernels_;
  Network relation_network_;
  Network entity_network_;
  std::vector<Worker> workers_;
  std::vector<Condition> conditions_;
  std::optional<Unasked> unasked_;
  memory::Buffer<float> unasked_sums_;                 // [workers, block, dim]
  std::vector<memory::Buffer<float>> unasked_scores_;  // of both directions of a relation
  std::vector<std::uint32_t> all_nodes_;
};

}  // namespace tessera::propagation
