// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/log.hpp"
#include "core/text.hpp"
#include "memory/budget.hpp"
#include "partition/child_process.hpp"
#include "partition/detail/pipeline.hpp"
#include "partition/stream.hpp"

#include <algorithm>
#include <optional>

namespace tessera::partition::detail {
namespace {

// How far above its aim METIS may leave a balance before we restream its answer.
constexpr double kToleratedExcess = 0.07;
constexpr double kReportEverySeconds = 30;

std::optional<std::string> why_invalid(std::span<const std::uint32_t> part_of_vertex, std::uint64_t parts) {
  std::vector<bool> used(parts);
  for (const std::uint32_t part : part_of_vertex) {
    if (part >= parts) return fmt::format("it put a vertex into part {} of {}", part, parts);
    used[part] = true;
  }
  const auto empty = std::find(used.begin(), used.end(), false);
  if (empty != used.end()) return fmt::format("it left part {} of {} empty", empty - used.begin(), parts);
  return std::nullopt;
}

// Why METIS failed, or nothing and its answer in `part_of_vertex`.
std::optional<std::string> try_metis(const graph::GraphReader& reader, const TrainingSummary& summary,
                                     const PartitionOptions& options, const MetisBody& metis,
                                     std::vector<std::uint32_t>& part_of_vertex) {
  const UndirectedGraph graph = build_undirected_graph(reader, summary, options.block_bytes);
  const std::uint64_t available = memory::find_budget("", 1).host_bytes;
  if (metis_bytes(graph) > available)
    return fmt::format("it needs about {}, {} are available", text::bytes(metis_bytes(graph)), text::bytes(available));
  log::info("METIS: {} entities with neighbours, {} edges, {} parts", text::with_thousands(graph.vertex_count()),
            text::with_thousands(graph.neighbours.size() / 2), options.parts);
  const SharedNumbers answer(graph.vertex_count());
  double reported = 0;
  const auto waiting = [&](double seconds) {
    if (seconds < reported + kReportEverySeconds) return;
    reported = seconds;
    log::info("METIS: running for {}", text::duration(seconds));
  };
  const MetisSettings settings{options.parts, options.seed, options.imbalance};
  if (auto failure = run_in_child([&] { metis(graph, settings, answer.span()); }, waiting)) return failure;
  if (auto failure = why_invalid(answer.span(), options.parts)) return failure;
  part_of_vertex.assign(answer.span().begin(), answer.span().end());
  return std::nullopt;
}

Chosen choose_by_metis(const graph::GraphReader& reader, const TrainingSummary& summary,
                       const PartitionOptions& options, const MetisBody& metis) {
  require_index_width(2 * reader.triple_count(graph::Split::kTrain), metis_index_bits());
  std::vector<std::uint32_t> part_of_vertex;
  if (const auto failure = try_metis(reader, summary, options, metis, part_of_vertex)) {
    log::warning("METIS failed: {}; the streaming partitioner takes its place", *failure);
    return {spread(summary, stream_partition(reader, summary, options), options.parts), "stream"};
  }
  if (!is_balanced(summary, part_of_vertex, options.parts, options.imbalance + kToleratedExcess)) {
    log::warning("METIS left the parts unbalanced; restreaming its answer");
    restream(reader, summary, options, part_of_vertex);
  }
  return {spread(summary, part_of_vertex, options.parts), "metis"};
}

}  // namespace

Chosen choose_parts(const graph::GraphReader& reader, const TrainingSummary& summary, const PartitionOptions& options,
                    const MetisBody& metis) {
  if (options.parts == 1) return {Assignment(reader.entity_count(), PartId(0)), options.method};
  if (options.method == "random")
    return {random_assignment(reader.entity_count(), options.parts, options.seed), options.method};
  if (options.method == "stream")
    return {spread(summary, stream_partition(reader, summary, options), options.parts), options.method};
  if (summary.vertex_count() >= options.parts) return choose_by_metis(reader, summary, options, metis);
  log::warning(
      "only {} entities have neighbours in training, too few for METIS and {} parts; the streaming partitioner "
      "takes its place",
      summary.vertex_count(), options.parts);
  return {spread(summary, stream_partition(reader, summary, options), options.parts), "stream"};
}

}  // namespace tessera::partition::detail
