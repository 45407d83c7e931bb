// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/run_context.hpp"
#include "propagation/message_graph.hpp"
#include "search/entity_scores.hpp"
#include "search/setup.hpp"

#include <cstdint>
#include <memory>
#include <optional>

namespace tessera::cli {

/// Whether the job is of a model that has no vectors and answers from the graph itself (ULTRA, NBFNet).
bool is_graph_model(const Job& job);

/// Throws AgreedError(kUsage) for such a model. `work` says what needs vectors: "tessera similar compares vectors".
void require_vectors(const Job& job, const std::string& work);

/// Such a model, opened.
struct GraphModel {
  RunContext context;
  std::unique_ptr<search::EntityScores> scores;
  std::uint64_t epoch = 0;  ///< of the checkpoint; 0: imported weights
};

/// Collective. The training triples of all parts, on every rank. Throws AgreedError.
std::shared_ptr<const propagation::MessageGraph> open_message_graph(comm::Communicator& comm, RunContext& context);

/// Collective. Every rank reads the weights and all training triples: imported weights, or the checkpoint of `epoch`,
/// else the best by validation, else the newest. Throws AgreedError: kUsage for a device, an `epoch` of imported
/// weights, or a graph with a relation that the model does not know; kBadData, kMissingInput, kOverBudget.
GraphModel open_graph_model(comm::Communicator& comm, const Job& job, std::optional<std::uint64_t> epoch);

}  // namespace tessera::cli
