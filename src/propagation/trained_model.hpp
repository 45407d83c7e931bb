// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/partition_manifest.hpp"
#include "propagation/graph_scores.hpp"
#include "propagation/weights.hpp"
#include "storage/hdf5.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace tessera::propagation {

/// A trained model as a checkpoint has it: its tensors, and the relations that they are about.
struct TrainedModel {
  std::string name;  ///< model.name of the job
  Tensors tensors;
  std::vector<std::string> relations;  ///< names, by id
};

/// The names of the relations of a graph, by id. Throws Error(kMissingInput), Error(kBadData).
std::vector<std::string> relation_names(const std::filesystem::path& graph_folder);

/// Adds the model to the manifest of a checkpoint (docs/formats/run.md).
void write_trained(storage::FileWriter& manifest, const TrainedModel& model);
/// Throws Error(kBadData).
TrainedModel read_trained(const storage::FileReader& manifest);

/// The model on a graph, which need not be that of its training: relations are matched by name. Throws Error(kUsage)
/// that names a relation of the graph which the model does not know, Error(kBadData), Error(kOverBudget).
std::unique_ptr<GraphScores> open_trained(const TrainedModel& model, const std::string& file,
                                          const std::vector<std::string>& relations,
                                          std::shared_ptr<const MessageGraph> graph,
                                          const execution::HostExecutor& host);

}  // namespace tessera::propagation
