// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "propagation/training/learner.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::propagation {

/// NBFNet (Zhu et al., NeurIPS 2021) with sums of messages: a row per relation for queries, and in each layer a row per
/// relation for messages. These are a table (independent), or the query's row makes them (dependent).
class NbfnetLearner final : public Learner {
 public:
  NbfnetLearner(const MessageGraph& graph, const LearnerOptions& options, bool is_dependent);
  ~NbfnetLearner() override;
  NbfnetLearner(const NbfnetLearner&) = delete;
  NbfnetLearner& operator=(const NbfnetLearner&) = delete;

  [[nodiscard]] std::uint64_t worker_bytes() const override;
  void take_workers(std::size_t count, memory::Pool& pool) override;
  void run_block(const StepQueries& step, std::size_t worker, const BlockResult& out) override;
  void finish(const StepQueries& step, std::span<const float> rows, std::size_t threads,
              std::span<float> gradients) const override;

 private:
  struct Worker;
  void take_values() override;
  /// A layer's rows, then those of the first half again: from the half on, a row's inverse is at its place.
  [[nodiscard]] std::size_t table_size() const { return graph_.relation_count() / 2 * 3 * options_.dim; }
  void fill_inverses(float* table) const;
  [[nodiscard]] std::vector<float> query_rows(std::span<const TrainQuery> queries) const;
  void make_rows(std::span<const float> queries, Worker& worker) const;
  void rows_back(std::span<const float> rows, std::span<float> of_queries) const;

  bool is_dependent_;
  std::size_t query_table_ = 0;
  std::vector<std::size_t> tables_;  // independent: of each layer
  std::vector<std::size_t> maps_;    // dependent: of each layer, and their biases
  std::vector<std::size_t> biases_;
  std::vector<Worker> workers_;
  std::vector<float> shared_rows_;  // independent: [layers, table_size()]
};

}  // namespace tessera::propagation
