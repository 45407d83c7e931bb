// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
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
std::optional<std::string> try_metis(const Problem& problem, const MetisBody& metis,
                                     std::vector<std::uint32_t>& part_of_vertex) {
  const PartitionOptions& options = problem.options;
  const UndirectedGraph graph = build_undirected_graph(problem.reader, problem.summary, options.block_bytes);
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

Chosen choose_by_stream(const Problem& problem) {
  const auto parts = stream_partition(problem.reader, problem.summary, problem.options);
  return {spread(problem.summary, parts, problem.options.parts), "stream"};
}

Chosen choose_by_metis(const Problem& problem, const MetisBody& metis) {
  std::vector<std::uint32_t> part_of_vertex;
  if (const auto failure = try_metis(problem, metis, part_of_vertex)) {
    log::warning("METIS failed: {}; the streaming partitioner takes its place", *failure);
    return choose_by_stream(problem);
  }
  const PartitionOptions& options = problem.options;
  if (!is_balanced(problem.summary, part_of_vertex, options.parts, options.imbalance + kToleratedExcess)) {
    log::warning("METIS left the parts unbalanced; restreaming its answer");
    restream(problem.reader, problem.summary, options, part_of_vertex);
  }
  return {spread(problem.summary, part_of_vertex, options.parts), "metis"};
}

// What METIS needs, from counts alone: parallel edges may make it less.
std::uint64_t metis_needs(const Problem& problem) {
  return metis_bytes(problem.summary.vertex_count(), problem.reader.triple_count(graph::Split::kTrain));
}

void require_memory_for_metis(const Problem& problem) {
  const std::uint64_t needed = metis_needs(problem);
  if (needed <= problem.memory.bytes) return;
  fail(ExitStatus::kOverBudget,
       "METIS needs about {} for {} entities and {} training triples, and {} may be used ({}): give it more memory "
       "(--memory), or take the method 'stream', which needs about {}",
       text::bytes(needed), text::with_thousands(problem.summary.vertex_count()),
       text::with_thousands(problem.reader.triple_count(graph::Split::kTrain)), text::bytes(problem.memory.bytes),
       problem.memory.source, text::bytes(stream_bytes(problem.reader.entity_count())));
}

bool metis_is_best(const Problem& problem) {
  const std::uint64_t needed = metis_needs(problem);
  const bool countable = 2 * problem.reader.triple_count(graph::Split::kTrain) <= most_metis_edges(metis_index_bits());
  const bool fits = needed <= problem.memory.bytes;
  log::info("method: {}; METIS needs about {}, and {} may be used ({}){}", countable && fits ? "metis" : "stream",
            text::bytes(needed), text::bytes(problem.memory.bytes), problem.memory.source,
            countable ? "" : "; this METIS cannot count so many edges");
  return countable && fits;
}

}  // namespace

Chosen choose_parts(const Problem& problem, const MetisBody& metis) {
  const PartitionOptions& options = problem.options;
  const std::uint64_t entities = problem.reader.entity_count();
  if (options.parts == 1) return {Assignment(entities, PartId(0)), options.method == "auto" ? "metis" : options.method};
  if (options.method == "random") return {random_assignment(entities, options.parts, options.seed), options.method};
  if (options.method == "stream") return choose_by_stream(problem);
  if (problem.summary.vertex_count() < options.parts) {
    log::warning(
        "only {} entities have neighbours in training, too few for METIS and {} parts; the streaming partitioner "
        "takes its place",
        problem.summary.vertex_count(), options.parts);
    return choose_by_stream(problem);
  }
  if (options.method == "auto" && !metis_is_best(problem)) return choose_by_stream(problem);
  require_index_width(2 * problem.reader.triple_count(graph::Split::kTrain), metis_index_bits());
  require_memory_for_metis(problem);
  return choose_by_metis(problem, metis);
}

}  // namespace tessera::partition::detail
