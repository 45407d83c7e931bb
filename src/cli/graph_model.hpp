// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/run_context.hpp"
#include "search/entity_scores.hpp"
#include "search/setup.hpp"

#include <cstdint>
#include <memory>
#include <optional>

namespace tessera::cli {

/// Whether the job is of a model that has no vectors and answers from the graph itself (ULTRA).
bool is_graph_model(const Job& job);

/// Throws AgreedError(kUsage) for such a model. `work` says what needs vectors: "tessera similar compares vectors".
void require_vectors(const Job& job, const std::string& work);

/// Such a model, opened.
struct GraphModel {
  RunContext context;
  std::unique_ptr<search::EntityScores> scores;
};

/// Collective. Every rank reads the weights and all training triples. Throws AgreedError: kUsage for an `epoch` or a
/// device, kBadData, kMissingInput, kOverBudget.
GraphModel open_graph_model(comm::Communicator& comm, const Job& job, std::optional<std::uint64_t> epoch);

}  // namespace tessera::cli
