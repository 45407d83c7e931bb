// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/partition_manifest.hpp"

#include "core/error.hpp"
#include "graph/graph_writer.hpp"
#include "graph/permutation.hpp"
#include "storage/hdf5.hpp"

#include <algorithm>
#include <limits>
#include <string_view>

namespace tessera::graph {
namespace {

using Member = std::uint64_t PartFigures::*;

constexpr std::string_view kPartsPrefix = "parts-";

double balance(std::span<const PartFigures> figures, Member member) {
  std::uint64_t sum = 0;
  std::uint64_t most = 0;
  for (const PartFigures& part : figures) {
    sum += part.*member;
    most = std::max(most, part.*member);
  }
  return sum == 0 ? 1 : static_cast<double>(most) * static_cast<double>(figures.size()) / static_cast<double>(sum);
}

void write_figures(storage::FileWriter& file, const std::string& group, std::span<const PartFigures> figures) {
  const auto column = [&](const char* dataset, Member member, const char* meaning) {
    std::vector<std::uint64_t> values;
    for (const PartFigures& part : figures) values.push_back(part.*member);
    file.write<std::uint64_t>(group + "/" + dataset, values, {meaning});
  };
  column("rows", &PartFigures::rows, "entities of each part");
  column("queries", &PartFigures::queries, "training queries of each part");
  column("cut_queries", &PartFigures::cut_queries, "training queries whose target is in another part");
  column("halo_rows", &PartFigures::halo_rows, "distinct training targets in other parts");
}

std::vector<PartFigures> read_figures(const storage::FileReader& file, const std::string& group, std::size_t parts) {
  std::vector<PartFigures> figures(parts);
  const auto column = [&](const char* dataset, Member member) {
    const auto values = file.read<std::uint64_t>(group + "/" + dataset);
    if (values.size() != parts)
      fail(ExitStatus::kBadData, "'{}', {}/{}: must have one value per part", file.path().string(), group, dataset);
    for (std::size_t p = 0; p < parts; ++p) figures[p].*member = values[p];
  };
  column("rows", &PartFigures::rows);
  column("queries", &PartFigures::queries);
  column("cut_queries", &PartFigures::cut_queries);
  column("halo_rows", &PartFigures::halo_rows);
  return figures;
}

// Bounds that the arithmetic on ids relies on: 2R directed relations in 32 bits, N - 1, local rows in 32 bits.
void check_counts(const storage::FileReader& file, const PartitionManifest& manifest) {
  const std::vector<std::uint64_t>& offsets = manifest.offsets;
  if (manifest.entity_count == 0 || manifest.relation_count == 0 || manifest.relation_count > kMostRelations)
    fail(ExitStatus::kBadData, "'{}': {} entities and {} relations are not a graph", file.path().string(),
         manifest.entity_count, manifest.relation_count);
  const auto too_long = [](std::uint64_t first, std::uint64_t end) {
    return end < first || end - first > std::numeric_limits<std::uint32_t>::max();
  };
  if (offsets.size() < 2 || offsets.front() != 0 || offsets.back() != manifest.entity_count ||
      std::adjacent_find(offsets.begin(), offsets.end(), too_long) != offsets.end())
    fail(ExitStatus::kBadData, "'{}', /offsets: inconsistent with {} entities", file.path().string(),
         manifest.entity_count);
}

}  // namespace

PartId PartitionManifest::owner(EntityId entity) const {
  const auto next = std::upper_bound(offsets.begin(), offsets.end(), entity.value());
  return PartId(static_cast<std::uint32_t>(next - offsets.begin() - 1));
}

std::uint64_t PartitionManifest::query_count() const {
  std::uint64_t count = 0;
  for (const PartFigures& part : figures) count += part.queries;
  return count;
}

double cut_fraction(std::span<const PartFigures> figures) {
  std::uint64_t cut = 0;
  std::uint64_t all = 0;
  for (const PartFigures& part : figures) {
    cut += part.cut_queries;
    all += part.queries;
  }
  return all == 0 ? 0 : static_cast<double>(cut) / static_cast<double>(all);
}

double row_balance(std::span<const PartFigures> figures) { return balance(figures, &PartFigures::rows); }
double query_balance(std::span<const PartFigures> figures) { return balance(figures, &PartFigures::queries); }

std::filesystem::path partition_folder(const std::filesystem::path& graph_folder, std::uint64_t parts) {
  return graph_folder / fmt::format("{}{}", kPartsPrefix, parts);
}

void write_manifest(const std::filesystem::path& folder, const PartitionManifest& manifest) {
  storage::FileWriter file(folder / kManifestFile, kPartitionKind, kPartitionVersion);
  file.attribute("/", "method", manifest.method);
  file.attribute("/", "graph_digest", manifest.graph_digest);
  file.attribute("/", "seed", manifest.seed);
  file.attribute("/", "entities", manifest.entity_count);
  file.attribute("/", "relations", manifest.relation_count);
  file.write<std::uint64_t>("/offsets", manifest.offsets, {"first global entity id of each part, and the end"});
  file.write<std::uint64_t>(kNewIds, manifest.new_ids, {"global id here of each entity id of graph.h5"});
  write_figures(file, "/figures", manifest.figures);
  if (!manifest.random_figures.empty()) write_figures(file, "/random_figures", manifest.random_figures);
  file.close();
}

namespace {

// `folder` is DATA.kg/parts-P.
[[noreturn]] void refuse_missing(const std::filesystem::path& folder) {
  const std::filesystem::path graph = folder.parent_path();
  if (!graph.empty() && !std::filesystem::is_directory(graph))
    fail(ExitStatus::kMissingInput, "graph '{}' does not exist; 'tessera import' makes it", graph.string());
  const std::string name = folder.filename().string();
  const std::string parts = name.starts_with(kPartsPrefix) ? name.substr(kPartsPrefix.size()) : std::string("P");
  fail(ExitStatus::kMissingInput, "partition '{}' does not exist; 'tessera partition {} --parts {}' makes it",
       folder.string(), graph.string(), parts);
}

}  // namespace

PartitionManifest read_manifest(const std::filesystem::path& folder, bool with_ids) {
  if (!std::filesystem::is_directory(folder)) refuse_missing(folder);
  const auto file = storage::FileReader::open_verified(folder / kManifestFile, kPartitionKind, kPartitionVersion);
  PartitionManifest manifest;
  manifest.method = file.string("/", "method");
  manifest.graph_digest = file.string("/", "graph_digest");
  manifest.digest = file.digest(kNewIds);
  manifest.seed = file.integer("/", "seed");
  manifest.entity_count = file.integer("/", "entities");
  manifest.relation_count = file.integer("/", "relations");
  manifest.offsets = file.read<std::uint64_t>("/offsets");
  check_counts(file, manifest);
  if (file.length(kNewIds) != manifest.entity_count)  // before anything is allocated by the count
    fail(ExitStatus::kBadData, "'{}', {}: has {} values for {} entities", file.path().string(), kNewIds,
         file.length(kNewIds), manifest.entity_count);
  manifest.figures = read_figures(file, "/figures", manifest.part_count());
  for (std::uint32_t p = 0; p < manifest.part_count(); ++p)
    if (manifest.figures[p].rows != manifest.rows(PartId(p)))
      fail(ExitStatus::kBadData, "'{}', /figures/rows: part {} has {} rows, /offsets says {}", file.path().string(), p,
           manifest.figures[p].rows, manifest.rows(PartId(p)));
  if (file.has("/random_figures"))
    manifest.random_figures = read_figures(file, "/random_figures", manifest.offsets.size() - 1);
  if (with_ids) {
    manifest.new_ids = file.read<std::uint64_t>(kNewIds);
    PermutationSum sum;
    sum.add(manifest.new_ids, 0);
    if (!sum.is_permutation())
      fail(ExitStatus::kBadData, "'{}', {}: not a permutation of the entities", file.path().string(), kNewIds);
  }
  return manifest;
}

}  // namespace tessera::graph
