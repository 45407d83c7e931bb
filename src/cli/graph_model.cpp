// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/graph_model.hpp"

#include "checkpoint/model_file.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "graph/partition_manifest.hpp"
#include "propagation/ultra.hpp"

#include <filesystem>
#include <utility>

namespace tessera::cli {

bool is_graph_model(const Job& job) { return job.model.name == propagation::kUltraName; }

void require_vectors(const Job& job, const std::string& work) {
  if (!is_graph_model(job)) return;
  throw comm::AgreedError(
      ExitStatus::kUsage,
      fmt::format("model '{}' has no vectors, and {}; 'evaluate', 'predict' and 'score' use it", job.model.name, work));
}

GraphModel open_graph_model(comm::Communicator& comm, const Job& job, std::optional<std::uint64_t> epoch) {
  if (job.run.device == "cuda")
    throw comm::AgreedError(ExitStatus::kUsage,
                            fmt::format("model '{}' computes on CPUs; run.device=cpu does", job.model.name));
  comm::together(comm, [&] {
    if (epoch) checkpoint::refuse_epoch_of_exported(job.run.folder);
  });
  GraphModel model{open_context(comm, job, {.is_planned = false}), nullptr};
  comm::together(comm, [&] {
    const std::filesystem::path file = std::filesystem::path(job.run.folder) / propagation::kUltraFile;
    propagation::UltraWeights weights = propagation::take_weights(propagation::read_tensors(file), file.string());
    auto graph = propagation::MessageGraph::of_partition(
        model.context.shard, graph::partition_folder(job.data.graph, job.data.parts), *model.context.pool);
    if (comm.is_root())
      log::info("{} edges between {} entities", text::with_thousands(graph.edge_count()),
                text::with_thousands(graph.node_count()));
    model.scores = std::make_unique<propagation::Ultra>(std::move(weights), std::move(graph), model.context.host);
  });
  return model;
}

}  // namespace tessera::cli
