// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/option_checks.hpp"
#include "cli/run_context.hpp"
#include "core/job.hpp"
#include "graph/partition_manifest.hpp"
#include "partition/partition.hpp"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

namespace tessera::cli {
namespace {

struct Options {
  std::string graph_or_job;
  std::uint64_t parts = 0;
  partition::PartitionOptions partition;
};

void print_row(const char* what, const std::string& metis, const std::string& random) {
  std::printf("%-28s %12s %12s\n", what, metis.c_str(), random.c_str());
}

void print_figures(const graph::PartitionManifest& manifest, const std::filesystem::path& folder) {
  using Figures = std::span<const graph::PartFigures>;
  const bool compare = !manifest.random_figures.empty();
  const auto row = [&](const char* what, const char* format, auto value) {
    const auto text = [&](Figures figures) { return fmt::format(fmt::runtime(format), value(figures)); };
    print_row(what, text(manifest.figures), compare ? text(manifest.random_figures) : "");
  };
  std::printf("partition %s\n\n", folder.c_str());
  print_row("", manifest.method, compare ? "random" : "");
  row("cut training queries", "{:.1f} %", [](Figures f) { return 100 * graph::cut_fraction(f); });
  row("rows, largest / mean", "{:.3f}", [](Figures f) { return graph::row_balance(f); });
  row("queries, largest / mean", "{:.3f}", [](Figures f) { return graph::query_balance(f); });
  for (std::size_t p = 0; p < manifest.figures.size(); ++p)
    row(fmt::format("halo rows of part {}", p).c_str(), "{}", [p](Figures f) { return f[p].halo_rows; });
}

void run(Options options, const comm::Communicator& comm) {
  options.partition.graph = options.graph_or_job;
  std::uint64_t parts = 8;
  options.partition.threads = thread_count({}, comm);
  if (std::filesystem::is_regular_file(options.graph_or_job)) {
    const Job job = read_job(options.graph_or_job);
    options.partition.graph = job.data.graph;
    parts = job.data.parts;
  }
  options.partition.parts = options.parts > 0 ? options.parts : parts;
  const graph::PartitionManifest manifest = partition::partition_graph(options.partition);
  print_figures(manifest, graph::partition_folder(options.partition.graph, options.partition.parts));
}

}  // namespace

Command add_partition(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("graph", options->graph_or_job, "Graph folder, or a job file that names one").required();
  parser.add("--parts", options->parts, "How many parts; at least as many as ranks later (default: the job's, or 8)")
      .check(whole_number(1, kMostParts));
  parser
      .add("--method", options->partition.method,
           "auto (METIS if it fits the memory, else stream), metis, stream or random")
      .check(one_of({"auto", "metis", "stream", "random"}))
      .show_default();
  parser.add("--memory", options->partition.memory, "Bytes that may be used, as 4GiB (default: what the machine has)");
  parser.add("--imbalance", options->partition.imbalance, "Largest over mean of rows and of queries that is aimed at")
      .show_default();
  parser.add("--seed", options->partition.seed, "Same seed, same partition").check(whole_number(0)).show_default();
  parser.add_flag("!--no-compare", options->partition.compare_random, "Do not measure a random partition beside it");
  return {[options](comm::Communicator& comm) { run(*options, comm); }, false};
}

}  // namespace tessera::cli
