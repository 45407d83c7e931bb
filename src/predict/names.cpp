// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/names.hpp"

#include "attributes/condition.hpp"
#include "attributes/table.hpp"
#include "core/cast.hpp"
#include "core/log.hpp"
#include "graph/graph_reader.hpp"
#include "graph/partition_manifest.hpp"
#include "graph/permutation.hpp"
#include "predict/detail/name_index.hpp"

#include <algorithm>
#include <span>

namespace tessera::predict {
namespace {

constexpr std::size_t kSuggestions = 3;

std::string quoted(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += fmt::format("{}'{}'", out.empty() ? "" : ", ", name);
  return out;
}

std::uint64_t find(const detail::NameIndex& index, const std::string& name, const char* what,
                   const Names::Place& place) {
  const auto id = index.find(name);
  if (id) return *id;
  const std::string near = quoted(index.suggestions(name, kSuggestions));
  fail(place.bad_status, "{}: {} '{}' is not in the graph{}", place.where, what, name,
       near.empty() ? std::string() : fmt::format("; did you mean {}?", near));
}

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

struct Names::Indexes {
  detail::NameIndex entities;
  detail::NameIndex relations;
  std::unique_ptr<attributes::Table> labels = nullptr;  // once a name is not found
};

Names::Names(const std::filesystem::path& graph_folder, const std::filesystem::path& partition_folder)
    : graph_folder_(graph_folder),
      manifest_(storage::FileReader::open_verified(partition_folder / graph::kManifestFile, graph::kPartitionKind,
                                                   graph::kPartitionVersion)) {
  const graph::GraphReader graph(graph_folder);
  if (manifest_.string("/", "graph_digest") != graph.digest())
    fail(ExitStatus::kBadData, "'{}' was made from another graph than '{}'", manifest_.path().string(),
         graph_folder.string());
  check_new_ids(manifest_);
  indexes_ = std::make_unique<Indexes>(
      Indexes{detail::NameIndex(graph.entity_names()), detail::NameIndex(graph.relation_names())});
}

Names::~Names() = default;

std::uint64_t Names::find_entity(const std::string& name, const Place& place) const {
  if (const auto id = indexes_->entities.find(name)) return *id;
  if (const auto id = find_label(name, place)) return *id;
  return find(indexes_->entities, name, "entity", place);
}

std::optional<std::uint64_t> Names::find_label(const std::string& label, const Place& place) const {
  constexpr const char* kLabel = "label";
  if (!indexes_->labels) {
    const graph::GraphReader graph(graph_folder_);
    if (!attributes::Table::is_in(graph.file())) return std::nullopt;
    indexes_->labels = std::make_unique<attributes::Table>(graph.file(), graph.entity_count(),
                                                           [&](const std::string& name) { return name == kLabel; });
  }
  const attributes::Table& table = *indexes_->labels;
  const auto column = table.schema().find(kLabel);
  if (!column || table.schema().types[*column] != attributes::Type::kText) return std::nullopt;
  const std::string condition = fmt::format("{} = {}", kLabel, attributes::quoted_value(label));
  const auto bits = attributes::Condition::parse(condition, table.schema()).select(table);
  std::vector<std::uint64_t> found;
  for (std::uint64_t id = 0; id < table.entities(); ++id)
    if ((bits[id / 64] >> (id % 64) & 1U) != 0) found.push_back(id);
  if (found.empty()) return std::nullopt;
  if (found.size() > 1) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < std::min(found.size(), kSuggestions); ++i) names.push_back(entity(found[i]));
    fail(place.bad_status, "{}: '{}' is the label of {} entities; name one of them: {}{}", place.where, label,
         found.size(), quoted(names), found.size() > kSuggestions ? ", ..." : "");
  }
  log::info("'{}' is the label of '{}'", label, entity(found.front()));
  return found.front();
}

std::uint32_t Names::find_relation(const std::string& name, const Place& place) const {
  return checked_cast<std::uint32_t>(find(indexes_->relations, name, "relation", place));
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

std::uint64_t Names::entity_count() const { return indexes_->entities.size(); }
std::uint64_t Names::relation_count() const { return indexes_->relations.size(); }
const std::string& Names::entity(std::uint64_t id) const { return indexes_->entities.name(id); }
const std::string& Names::relation(std::uint64_t id) const { return indexes_->relations.name(id); }

}  // namespace tessera::predict
