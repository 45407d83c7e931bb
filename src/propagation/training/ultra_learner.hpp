// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "propagation/training/learner.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace tessera::propagation {

/// ULTRA: each query goes through the network over relations and back, too. Its gradients end in the shared weights.
class UltraLearner final : public Learner {
 public:
  /// Takes the graph of relations from `pool`. The network over relations has as many layers as that over entities.
  UltraLearner(const MessageGraph& graph, const LearnerOptions& options, memory::Pool& pool);
  ~UltraLearner() override;
  UltraLearner(const UltraLearner&) = delete;
  UltraLearner& operator=(const UltraLearner&) = delete;

  [[nodiscard]] std::uint64_t worker_bytes() const override;
  void take_workers(std::size_t count, memory::Pool& pool) override;
  void run_block(const StepQueries& step, std::size_t worker, const BlockResult& out) override;

 private:
  struct Worker;
  struct MapPlace {
    std::size_t matrix;
    std::size_t bias;
  };
  void take_values() override;
  MapPlace add_square(const std::string& name);
  void make_rows(std::uint32_t relation, Worker& memory) const;
  void rows_back(std::uint32_t directed, std::span<const float> of_query, Worker& memory,
                 std::span<float> shared) const;
  void map_back(const MapPlace& place, const kernels::LinearBack& of, std::span<float> shared) const;
  [[nodiscard]] std::size_t table_size() const { return graph_.relation_count() * options_.dim; }

  MessageGraph relation_graph_;
  std::vector<LayerPlace> relation_layers_;
  std::vector<std::size_t> kinds_;
  std::vector<MapPlace> first_;
  std::vector<MapPlace> second_;
  std::optional<TrainedNetwork> relations_;
  std::vector<std::uint32_t> all_relations_;
  std::vector<float> inverse_kinds_;  // [layers, kinds, dim]
  std::vector<Worker> workers_;
};

}  // namespace tessera::propagation
