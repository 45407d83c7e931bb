// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/partition.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/parallel.hpp"
#include "core/text.hpp"
#include "partition/detail/pipeline.hpp"
#include "partition/entity_order.hpp"
#include "partition/figures.hpp"
#include "partition/part_attributes.hpp"
#include "partition/part_writer.hpp"
#include "partition/signature.hpp"
#include "partition/stream.hpp"
#include "storage/atomic.hpp"
#include "storage/checksum.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <utility>

namespace tessera::partition {
namespace {

using graph::PartitionManifest;

constexpr double kBalanceToWarnOf = 1.10;
constexpr std::uint64_t kProgramBytes = std::uint64_t{24} << 20U;  // code, libraries, buffers

void check_options(const PartitionOptions& options) {
  if (options.parts == 0) fail(ExitStatus::kUsage, "a graph cannot be split into 0 parts; ask for at least 1");
  const std::set<std::string> methods = {"auto", "metis", "stream", "random"};
  if (!methods.contains(options.method))
    fail(ExitStatus::kUsage, "there is no method '{}' to partition by; the methods are auto, metis, stream, random",
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
  parallel_for(options.compare_random ? 2 : 1, options.threads, [&](std::size_t i) {
    if (i == 0)
      manifest.figures = measure(reader, chosen.assignment, options.parts, {options.block_bytes, "measuring"});
    else
      manifest.random_figures = measure(reader, random_assignment(reader.entity_count(), options.parts, options.seed),
                                        options.parts, {options.block_bytes, ""});
  });
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

void write_folder(const std::filesystem::path& folder, const PartSources& sources, const WriteSettings& settings) {
  storage::require_space(folder, partition_bytes(sources));
  auto checksums = storage::FolderChecksums::load(folder);
  write_parts(folder, sources, settings, checksums);
  graph::write_manifest(folder, sources.manifest);
  storage::sync_path(folder / graph::kManifestFile);
  checksums.record(graph::kManifestFile);
  checksums.commit();
}

// The options with a size of blocks. Throws Error(kOverBudget) when the memory is too small for any.
PartitionOptions with_blocks(PartitionOptions options, const MemoryLimit& memory, std::uint64_t entities) {
  constexpr std::uint64_t kLeast = std::uint64_t{1} << 22U;
  if (options.block_bytes > 0) return options;
  const std::uint64_t fixed = stream_bytes(entities) + kProgramBytes;
  if (memory.bytes < fixed + kStreamBlocks * kLeast)
    fail(ExitStatus::kOverBudget, "a graph of {} entities is partitioned in {} at least, and {} may be used ({})",
         text::with_thousands(entities), text::bytes(fixed + kStreamBlocks * kLeast), text::bytes(memory.bytes),
         memory.source);
  options.block_bytes = (memory.bytes - fixed) / kStreamBlocks;
  return options;
}

}  // namespace

PartitionManifest detail::partition_graph(const PartitionOptions& given, const MetisBody& metis) {
  check_options(given);
  const MemoryLimit memory = memory_limit(given.memory);
  const graph::GraphReader reader(given.graph);
  const PartitionOptions options = with_blocks(given, memory, reader.entity_count());
  check_parts(reader, options);
  const std::filesystem::path final_folder = graph::partition_folder(options.graph, options.parts);
  storage::AtomicFolder folder(final_folder);
  const TrainingSummary summary = summarise_training(reader);
  Chosen chosen = choose_parts({reader, summary, options, memory}, metis);
  PartitionManifest manifest = make_manifest(reader, options, chosen);
  EntityOrder order =
      order_entities(chosen.assignment, signature_ranks(reader, summary), summary.degree, options.parts);
  chosen = {};
  manifest.offsets = std::move(order.offsets);
  manifest.new_ids = std::move(order.new_ids);
  report(manifest);
  const PartAttributes attributes(reader, manifest);
  write_folder(folder.temporary(), {reader, manifest, order.old_ids, summary.degree, attributes},
               {options.block_bytes, options.threads});
  folder.commit();
  log::info("wrote '{}'", final_folder.string());
  return manifest;
}

PartitionManifest partition_graph(const PartitionOptions& options) {
  return detail::partition_graph(options, run_metis);
}

}  // namespace tessera::partition
