// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/part_file.hpp"

#include "core/cast.hpp"
#include "core/error.hpp"
#include "storage/hdf5.hpp"

#include <algorithm>
#include <tuple>

namespace tessera::graph {
namespace {

constexpr const char* kPlainEncoding = "plain";

void write_queries(storage::FileWriter& file, Split split, const QueryColumns& queries) {
  const std::string group = fmt::format("/queries/{}", name(split));
  file.write<std::uint64_t>(group + "/relation_offsets", queries.relation_offsets,
                            {"queries of directed relation r are rows offsets[r] .. offsets[r+1]-1 below"});
  file.write<std::uint32_t>(group + "/source", queries.sources, {"local row of the source"});
  file.write<std::uint64_t>(group + "/target", queries.targets, {"global id of the target"});
  file.attribute(group, "encoding", std::string(kPlainEncoding));
}

template <class T>
memory::Buffer<T> load_column(const storage::FileReader& file, const std::string& path, memory::Pool& pool) {
  auto buffer = pool.allocate<T>(memory::Tag::kQueries, file.length(path));
  file.read_to<T>(path, buffer.span());
  return buffer;
}

// Inside every relation strictly ascending by (source, target): then a query set is its own filter index.
bool is_in_order(const QuerySet& queries) {
  const auto offsets = queries.relation_offsets();
  for (std::size_t r = 0; r + 1 < offsets.size(); ++r)
    for (std::uint64_t i = offsets[r] + 1; i < offsets[r + 1]; ++i)
      if (std::tuple(queries.source(i - 1), queries.target(i - 1)) >= std::tuple(queries.source(i), queries.target(i)))
        return false;
  return true;
}

void check_queries(const storage::FileReader& file, const std::string& group, const QuerySet& queries,
                   const PartitionManifest& manifest, std::uint64_t rows) {
  const auto offsets = queries.relation_offsets();
  const bool sound =
      offsets.size() == 2 * manifest.relation_count + 1 && offsets.front() == 0 && offsets.back() == queries.size() &&
      std::is_sorted(offsets.begin(), offsets.end()) && queries.targets().size() == queries.size() &&
      std::all_of(queries.sources().begin(), queries.sources().end(), [&](auto s) { return s < rows; }) &&
      std::all_of(queries.targets().begin(), queries.targets().end(),
                  [&](auto t) { return t < manifest.entity_count; }) &&
      is_in_order(queries);
  if (!sound)
    fail(ExitStatus::kBadData, "'{}', {}: queries with ids out of range or out of order", file.path().string(), group);
}

void check_degrees(const storage::FileReader& file, const QuerySet& train, std::span<const std::uint32_t> degrees,
                   std::uint32_t rows) {
  const bool right = degrees.size() == rows;  // as many as the file has: then they may be allocated
  std::vector<std::uint32_t> counted(right ? rows : 0, 0);
  if (right)
    for (const std::uint32_t source : train.sources()) ++counted[source];
  if (!right || !std::equal(counted.begin(), counted.end(), degrees.begin(), degrees.end()))
    fail(ExitStatus::kBadData, "'{}', /entities/train_degree: must count the training queries of every row",
         file.path().string());
}

}  // namespace

QueryColumns to_columns(std::vector<Query> queries, std::uint64_t directed_relations) {
  std::sort(queries.begin(), queries.end(), [](const Query& a, const Query& b) {
    return std::tie(a.relation, a.source, a.target) < std::tie(b.relation, b.source, b.target);
  });
  QueryColumns columns;
  columns.relation_offsets.assign(directed_relations + 1, 0);
  columns.sources.reserve(queries.size());
  columns.targets.reserve(queries.size());
  for (const Query& query : queries) {
    ++columns.relation_offsets[query.relation.index() + 1];
    columns.sources.push_back(query.source.value());
    columns.targets.push_back(query.target.value());
  }
  for (std::size_t r = 0; r < directed_relations; ++r) columns.relation_offsets[r + 1] += columns.relation_offsets[r];
  return columns;
}

std::string part_file_name(PartId part) { return fmt::format("part-{:04}.h5", part.value()); }

void write_part(const std::filesystem::path& folder, const PartitionManifest& manifest, const PartContent& content) {
  storage::FileWriter file(folder / part_file_name(content.part), kPartKind, kPartVersion);
  file.attribute("/", "part", std::uint64_t{content.part.value()});
  file.attribute("/", "graph_digest", manifest.graph_digest);
  file.attribute("/", "first_entity", manifest.offsets[content.part.index()]);
  for (const Split split : kSplits) write_queries(file, split, content.queries.at(static_cast<std::size_t>(split)));
  file.write<std::uint64_t>(kOriginalIds, content.original_ids, {"entity id in graph.h5 of each local row"});
  file.write<std::uint32_t>("/entities/train_degree", content.train_degree, {"training queries with this source"});
  file.write<std::uint64_t>("/halo/owner_offsets", content.halo_offsets,
                            {"halo entities owned by part p are offsets[p] .. offsets[p+1]-1"});
  file.write<std::uint64_t>("/halo/entity", content.halo_entities, {"global ids of training targets in other parts"});
  if (content.more) content.more(file);
  file.close();
}

Part Part::load(const std::filesystem::path& folder, const PartitionManifest& manifest, PartId part,
                memory::Pool& pool) {
  const auto file = storage::FileReader::open_verified(folder / part_file_name(part), kPartKind, kPartVersion);
  if (file.string("/", "graph_digest") != manifest.graph_digest || file.integer("/", "part") != part.value() ||
      file.integer("/", "first_entity") != manifest.offsets[part.index()])
    fail(ExitStatus::kBadData, "'{}' belongs to another data set or part than '{}'", file.path().string(),
         (folder / kManifestFile).string());
  Part loaded;
  loaded.id_ = part;
  loaded.first_entity_ = EntityId(manifest.offsets[part.index()]);
  loaded.rows_ = checked_cast<std::uint32_t>(manifest.rows(part));
  for (const Split split : kSplits) {
    const std::string group = fmt::format("/queries/{}", name(split));
    if (file.string(group, "encoding") != kPlainEncoding)
      fail(ExitStatus::kBadData, "'{}', {}: unknown encoding '{}'", file.path().string(), group,
           file.string(group, "encoding"));
    Columns& columns = loaded.columns_.at(static_cast<std::size_t>(split));
    columns.relation_offsets = load_column<std::uint64_t>(file, group + "/relation_offsets", pool);
    columns.sources = load_column<std::uint32_t>(file, group + "/source", pool);
    columns.targets = load_column<std::uint64_t>(file, group + "/target", pool);
    QuerySet& set = loaded.sets_.at(static_cast<std::size_t>(split));
    set = QuerySet(columns.relation_offsets.span(), columns.sources.span(), columns.targets.span());
    check_queries(file, group, set, manifest, loaded.rows_);
  }
  const std::uint64_t planned = manifest.figures.at(part.index()).queries;
  if (loaded.queries(Split::kTrain).size() != planned)
    fail(ExitStatus::kBadData, "'{}' has {} training queries where '{}' says {}", file.path().string(),
         loaded.queries(Split::kTrain).size(), (folder / kManifestFile).string(), planned);
  loaded.train_degree_ = load_column<std::uint32_t>(file, "/entities/train_degree", pool);
  check_degrees(file, loaded.queries(Split::kTrain), loaded.train_degree(), loaded.rows_);
  return loaded;
}

Part Part::made(const PartitionManifest& manifest, PartId part, const QueryColumns& train, memory::Pool& pool) {
  Part made;
  made.id_ = part;
  made.first_entity_ = EntityId(manifest.offsets[part.index()]);
  made.rows_ = checked_cast<std::uint32_t>(manifest.rows(part));
  const auto copied = [&]<class T>(const std::vector<T>& from) {
    auto to = pool.allocate<T>(memory::Tag::kQueries, from.size());
    std::copy(from.begin(), from.end(), to.data());
    return to;
  };
  Columns& columns = made.columns_.front();
  columns.relation_offsets = copied(train.relation_offsets);
  columns.sources = copied(train.sources);
  columns.targets = copied(train.targets);
  made.sets_.front() = QuerySet(columns.relation_offsets.span(), columns.sources.span(), columns.targets.span());
  return made;
}

}  // namespace tessera::graph
