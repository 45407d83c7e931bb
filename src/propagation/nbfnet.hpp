// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "propagation/graph_scores.hpp"
#include "propagation/weights.hpp"

#include <memory>
#include <string>

namespace tessera::propagation {

inline constexpr const char* kNbfnetName = "nbfnet";  ///< model.name of its job

/// The weights of NBFNet: sums of messages that are products.
struct NbfnetWeights {
  struct MessageLayer : Layer {
    std::vector<float> rows;  ///< independent: [2R, dim]
    std::vector<float> maps;  ///< dependent: [2R] times [dim, dim], which map the row of a query to a row of a relation
    std::vector<float> biases;
  };
  std::size_t dim = 0;
  std::size_t relations = 0;   ///< directed
  std::vector<float> queries;  ///< [2R, dim]
  std::vector<MessageLayer> layers;
  Linear hidden;
  std::vector<float> output;
  float output_bias = 0;
};

/// Throws Error(kBadData) that names a tensor of `file`.
NbfnetWeights take_nbfnet_weights(Tensors tensors, const std::string& file);

/// The weights of the same model for a graph with other relations or another order: row r of both directions is that of
/// `row_of[r]`.
NbfnetWeights with_relations(const NbfnetWeights& weights, std::span<const std::uint32_t> row_of);

/// Throws Error(kOverBudget).
std::unique_ptr<GraphScores> make_nbfnet(NbfnetWeights weights, std::shared_ptr<const MessageGraph> graph,
                                         const execution::HostExecutor& host);

}  // namespace tessera::propagation
