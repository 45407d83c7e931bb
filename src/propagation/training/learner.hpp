// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "memory/pool.hpp"
#include "propagation/training/batch.hpp"
#include "propagation/training/parameter_list.hpp"
#include "propagation/training/tape.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tessera::propagation {

/// Queries whose gradients one thread adds up.
inline constexpr std::size_t kBlockQueries = 4;

/// What every model that is trained here has.
struct LearnerOptions {
  std::size_t dim = 0;
  std::size_t layers = 0;
  std::size_t negatives = 0;
  double temperature = 1;  ///< of the weights of negatives; 0: all weigh the same
};

/// A step's queries, and the graph that they see.
struct StepQueries {
  std::span<const TrainQuery> queries;
  const Draw& draw;
  std::uint32_t epoch;
  std::uint64_t first_position;  ///< in the epoch
  kernels::EdgeLists edges;
};

/// Consecutive queries of a step; what they add goes to zeros.
struct BlockResult {
  std::size_t first;  ///< query of the block
  std::size_t count;
  std::span<float> shared;   ///< gradients of the first shared_count() parameters
  std::span<float> rows;     ///< [count, row_count()] gradients of the relation rows of each query
  std::span<double> losses;  ///< [count]
};

/// A model that is trained: its parameters, and the gradients that queries give. Threads run blocks of queries at the
/// same time, each with the memory of a worker. A block adds in the order of its queries.
class Learner {
 public:
  /// `entities` names the tensors of the entity network: "" or "entity_model.".
  Learner(const MessageGraph& graph, const LearnerOptions& options, const std::string& entities);
  virtual ~Learner() = default;
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  [[nodiscard]] const ParameterList& list() const { return list_; }
  [[nodiscard]] std::size_t shared_count() const { return shared_count_; }
  [[nodiscard]] std::size_t row_count() const { return row_count_; }
  /// Bytes of a worker.
  [[nodiscard]] virtual std::uint64_t worker_bytes() const = 0;
  virtual void take_workers(std::size_t count, memory::Pool& pool) = 0;

  /// The parameters, and their maps by outputs, as they are now; both outlive the next step.
  void use(std::span<const float> values, std::span<const float> transposed);
  /// Threads may call it at the same time for different workers.
  virtual void run_block(const StepQueries& step, std::size_t worker, const BlockResult& out) = 0;
  /// gradients beyond the shared ones, from the rows of all queries of a step, in their order.
  virtual void finish(const StepQueries& step, std::span<const float> rows, std::size_t threads,
                      std::span<float> gradients) const;

 protected:
  /// Where the tensors of a layer begin.
  struct LayerPlace {
    std::size_t matrix;
    std::size_t bias;
    std::size_t scale;
    std::size_t shift;
  };
  /// The memory for the part of a query that all models share.
  struct QueryMemory {
    QueryMemory(const MessageGraph& graph, const LearnerOptions& options, memory::Pool& pool);
    static std::uint64_t bytes(const MessageGraph& graph, const LearnerOptions& options);
    Tape tape;
    memory::Buffer<float> scores;  // [entities]
    std::vector<std::uint32_t> candidates;
    std::vector<std::uint32_t> wanted;
    std::vector<float> score_gradients;
  };
  /// A query, with rows of its own.
  struct QueryRows {
    RelationRows relations;
    RelationRows inverse;
    std::span<const float> query;
  };
  /// Where its gradients go.
  struct QueryGradients {
    std::span<float> shared;
    std::span<float* const> relations;  ///< by layer
    std::span<float> query;             ///< [dim]
  };

  LayerPlace add_layer(const std::string& name);
  void end_shared();
  /// Runs query number `i` of a step to its loss and back. Returns the loss.
  double run_query(const StepQueries& step, std::size_t i, QueryMemory& memory, const QueryRows& rows,
                   const QueryGradients& gradients) const;
  [[nodiscard]] kernels::LinearWeights linear(std::size_t matrix, std::size_t bias, std::size_t inputs,
                                              std::size_t outputs) const {
    return {values_.data() + matrix, values_.data() + bias, inputs, outputs};
  }
  [[nodiscard]] TrainedNetwork network(const std::vector<LayerPlace>& places, const kernels::EdgeLists& edges) const;
  [[nodiscard]] static std::vector<LayerGradients> layer_gradients(const std::vector<LayerPlace>& places,
                                                                   std::span<float> shared,
                                                                   std::span<float* const> relations);
  virtual void take_values() {}

  const MessageGraph& graph_;
  LearnerOptions options_;
  TrainingKernels kernels_;
  ParameterList list_;
  std::size_t shared_count_ = 0;
  std::size_t row_count_ = 0;
  std::span<const float> values_;
  std::span<const float> transposed_;

 private:
  struct Loss;
  void draw_candidates(const StepQueries& step, std::size_t i, QueryMemory& memory) const;
  double loss_back(const StepQueries& step, QueryMemory& memory) const;
  void scores_back(QueryMemory& memory, std::span<const float> bias, const QueryRows& rows,
                   const QueryGradients& gradients) const;

  std::vector<LayerPlace> layers_;
  std::size_t hidden_ = 0;
  std::size_t hidden_bias_ = 0;
  std::size_t output_ = 0;
  std::size_t output_bias_ = 0;
  std::optional<TrainedNetwork> entities_;  // without edges
  std::vector<float> state_transposed_;     // of `hidden`: the part that maps states, by outputs
  std::vector<float> query_transposed_;     // the other part
};

}  // namespace tessera::propagation
