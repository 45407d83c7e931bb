// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/partition.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "partition/detail/pipeline.hpp"
#include "partition/entity_order.hpp"
#include "partition/figures.hpp"
#include "partition/part_attributes.hpp"
#include "partition/part_writer.hpp"
#include "partition/signature.hpp"
#include "storage/atomic.hpp"
#include "storage/checksum.hpp"

#include <cmath>
#include <utility>

namespace tessera::partition {
namespace {

using graph::PartitionManifest;

constexpr double kBalanceToWarnOf = 1.10;

void check_options(const PartitionOptions& options) {
  if (options.parts == 0) fail(ExitStatus::kUsage, "a graph cannot be split into 0 parts; ask for at least 1");
  if (options.method != "metis" && options.method != "stream" && options.method != "random")
    fail(ExitStatus::kUsage, "there is no method '{}' to partition by; the methods are metis, stream, random",
         options.method);
  if (!std::isfinite(options.imbalance) || options.imbalance < 1)
    fail(ExitStatus::kUsage,
         "an imbalance of {} cannot be met: it is the largest part over the mean, so at least 1 (1.03 is usual)",
         options.imbalance);
}

void check_parts(const graph::GraphReader& reader, const PartitionOptions& options) {
  if (options.parts > reader.entity_count())
    fail(ExitStatus::kUsage, "'{}' has {} entities, which cannot be split into {} parts: every part needs one",
         options.graph.string(), reader.entity_count(), options.parts);
}

PartitionManifest make_manifest(const graph::GraphReader& reader, const PartitionOptions& options,
                                const detail::Chosen& chosen) {
  PartitionManifest manifest;
  manifest.method = chosen.method;
  manifest.graph_digest = reader.digest();
  manifest.seed = options.seed;
  manifest.entity_count = reader.entity_count();
  manifest.relation_count = reader.relation_count();
  manifest.figures = measure(reader, chosen.assignment, options.parts, options.block_bytes);
  if (options.compare_random)
    manifest.random_figures = measure(reader, random_assignment(reader.entity_count(), options.parts, options.seed),
                                      options.parts, options.block_bytes);
  return manifest;
}

void report(const PartitionManifest& manifest) {
  log_figures(manifest);
  const double queries = graph::query_balance(manifest.figures);
  if (queries > kBalanceToWarnOf)
    log::warning(
        "the largest part has {:.2f} times the mean of queries: ranks will wait for each other; a few entities may "
        "have too many triples for so many parts",
        queries);
}

void write_folder(const std::filesystem::path& folder, const PartSources& sources, std::uint64_t block_bytes) {
  storage::require_space(folder, partition_bytes(sources));
  auto checksums = storage::FolderChecksums::load(folder);
  write_parts(folder, sources, block_bytes, checksums);
  graph::write_manifest(folder, sources.manifest);
  storage::sync_path(folder / graph::kManifestFile);
  checksums.record(graph::kManifestFile);
  checksums.commit();
}

}  // namespace

PartitionManifest detail::partition_graph(const PartitionOptions& options, const MetisBody& metis) {
  check_options(options);
  const graph::GraphReader reader(options.graph);
  check_parts(reader, options);
  const std::filesystem::path final_folder = graph::partition_folder(options.graph, options.parts);
  storage::AtomicFolder folder(final_folder);
  const TrainingSummary summary = summarise_training(reader);
  Chosen chosen = choose_parts(reader, summary, options, metis);
  PartitionManifest manifest = make_manifest(reader, options, chosen);
  EntityOrder order =
      order_entities(chosen.assignment, signature_ranks(reader, summary), summary.degree, options.parts);
  chosen = {};
  manifest.offsets = std::move(order.offsets);
  manifest.new_ids = std::move(order.new_ids);
  report(manifest);
  const PartAttributes attributes(reader, manifest);
  write_folder(folder.temporary(), {reader, manifest, order.old_ids, summary.degree, attributes}, options.block_bytes);
  folder.commit();
  log::info("wrote '{}'", final_folder.string());
  return manifest;
}

PartitionManifest partition_graph(const PartitionOptions& options) {
  return detail::partition_graph(options, run_metis);
}

}  // namespace tessera::partition
