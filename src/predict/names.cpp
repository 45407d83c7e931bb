// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/names.hpp"

#include "core/cast.hpp"
#include "graph/graph_reader.hpp"
#include "graph/partition_manifest.hpp"
#include "graph/permutation.hpp"

#include <algorithm>
#include <span>

namespace tessera::predict {
namespace {

// Block by block: there is no table of all entities in memory.
void check_new_ids(const storage::FileReader& manifest) {
  constexpr std::uint64_t kBlock = std::uint64_t{1} << 16U;
  const std::uint64_t count = manifest.length(graph::kNewIds);
  std::vector<std::uint64_t> ids;
  graph::PermutationSum sum;
  for (std::uint64_t first = 0; first < count; first += kBlock) {
    ids.resize(std::min(kBlock, count - first));
    manifest.read_rows<std::uint64_t>(graph::kNewIds, first, ids.size(), ids);
    sum.add(ids, first);
  }
  if (!sum.is_permutation())
    fail(ExitStatus::kBadData, "'{}', {}: not a permutation of the entities", manifest.path().string(), graph::kNewIds);
}

}  // namespace

Names::Names(const std::filesystem::path& graph_folder, const std::filesystem::path& partition_folder)
    : manifest_(storage::FileReader::open_verified(partition_folder / graph::kManifestFile, graph::kPartitionKind,
                                                   graph::kPartitionVersion)) {
  const graph::GraphReader graph(graph_folder);
  if (manifest_.string("/", "graph_digest") != graph.digest())
    fail(ExitStatus::kBadData, "'{}' was made from another graph than '{}'", manifest_.path().string(),
         graph_folder.string());
  check_new_ids(manifest_);
  names_ = std::make_unique<GraphNames>(graph_folder, graph);
}

ResolvedQuestion Names::resolve(const Question& question) const {
  const Place place{question.where, question.bad_status};
  if (question.side == Side::kRelation)
    return {find_entity(question.entity, place), 0, question.side, find_entity(question.other, place)};
  const std::uint32_t relation = find_relation(question.relation, place);
  return {find_entity(question.entity, place), relation, question.side};
}

EntityId Names::global_id(std::uint64_t entity) const {
  std::uint64_t id = 0;
  manifest_.read_rows<std::uint64_t>(graph::kNewIds, entity, 1, std::span(&id, 1));
  if (id >= entity_count())
    fail(ExitStatus::kBadData, "'{}', {}: not a permutation of the entities", manifest_.path().string(),
         graph::kNewIds);
  return EntityId(id);
}

search::Query Names::to_search(const ResolvedQuestion& question) const {
  const auto relations = checked_cast<std::uint32_t>(relation_count());
  return {global_id(question.entity), RelationId(question.relation + (question.side == Side::kHead ? relations : 0))};
}

}  // namespace tessera::predict
