// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "propagation/graph_scores.hpp"
#include "propagation/weights.hpp"

#include <memory>

namespace tessera::propagation {

/// ULTRA on a graph that it need not have seen: a network over the graph of relations makes the rows of relations.
/// Throws Error(kOverBudget).
std::unique_ptr<GraphScores> make_ultra(UltraWeights weights, std::shared_ptr<const MessageGraph> graph,
                                        const execution::HostExecutor& host);

}  // namespace tessera::propagation
