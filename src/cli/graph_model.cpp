// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/graph_model.hpp"

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/model_file.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "graph/partition_manifest.hpp"
#include "propagation/nbfnet.hpp"
#include "propagation/trained_model.hpp"

#include <filesystem>
#include <string>

namespace tessera::cli {

bool is_graph_model(const Job& job) {
  return job.model.name == propagation::kUltraName || job.model.name == propagation::kNbfnetName;
}

void require_vectors(const Job& job, const std::string& work) {
  if (!is_graph_model(job)) return;
  throw comm::AgreedError(
      ExitStatus::kUsage,
      fmt::format("model '{}' has no vectors, and {}; 'evaluate', 'predict' and 'score' use it", job.model.name, work));
}

namespace {

// Collective. The checkpoint of a run, and the file that it is in.
propagation::TrainedModel load_trained(comm::Communicator& comm, GraphModel& model, std::optional<std::uint64_t> epoch,
                                       std::string& file) {
  const checkpoint::CheckpointStore checkpoints(model.context.job.run.folder);
  propagation::TrainedModel trained;
  const auto load = [&](checkpoint::Position position) {
    const auto manifest = checkpoints.open_manifest(position);
    trained = propagation::read_trained(manifest);
    file = manifest.path().string();
    return checkpoint::read_run_state(manifest);
  };
  if (epoch) comm::on_root(comm, [&] { checkpoints.require(*epoch); });
  model.epoch =
      epoch ? comm::together(comm, [&] { return load(*epoch); }).epoch : checkpoints.load_best(comm, load).epoch;
  if (comm.is_root()) log::info("checkpoint after epoch {} of '{}'", model.epoch, model.context.job.run.folder);
  return trained;
}

}  // namespace

std::shared_ptr<const propagation::MessageGraph> open_message_graph(comm::Communicator& comm, RunContext& context) {
  return comm::together(comm, [&] {
    auto graph = std::make_shared<const propagation::MessageGraph>(propagation::MessageGraph::of_partition(
        context.shard, graph::partition_folder(context.job.data.graph, context.job.data.parts), *context.pool));
    if (comm.is_root())
      log::info("{} edges between {} entities", text::with_thousands(graph->edge_count()),
                text::with_thousands(graph->node_count()));
    return graph;
  });
}

GraphModel open_graph_model(comm::Communicator& comm, const Job& job, std::optional<std::uint64_t> epoch) {
  if (job.run.device == "cuda")
    throw comm::AgreedError(ExitStatus::kUsage,
                            fmt::format("model '{}' computes on CPUs; run.device=cpu does", job.model.name));
  const std::filesystem::path imported = std::filesystem::path(job.run.folder) / propagation::kUltraFile;
  const bool is_imported = comm.reduce(std::filesystem::exists(imported) ? 1 : 0, comm::Reduction::kMax) != 0;
  comm::together(comm, [&] {
    if (is_imported && epoch) checkpoint::refuse_epoch_of_exported(job.run.folder);
  });
  GraphModel model{open_context(comm, job, {.is_planned = false}), nullptr};
  std::string file = imported.string();
  propagation::TrainedModel trained;
  if (is_imported)
    trained = comm::together(comm, [&] {
      return propagation::TrainedModel{propagation::kUltraName, propagation::read_tensors(imported), {}};
    });
  else
    trained = load_trained(comm, model, epoch, file);
  const auto graph = open_message_graph(comm, model.context);
  comm::together(comm, [&] {
    model.scores = propagation::open_trained(trained, file, propagation::relation_names(job.data.graph), graph,
                                             model.context.host);
  });
  return model;
}

}  // namespace tessera::cli
