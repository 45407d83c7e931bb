// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/part_file.hpp"

#include "core/cast.hpp"
#include "core/error.hpp"
#include "graph/detail/plain_queries.hpp"
#include "storage/hdf5.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tessera::graph {
namespace {

using memory::Tag;
using packing::kPadding;

constexpr const char* kElsewhere = "/targets_elsewhere";

std::string group_of(Split split) { return fmt::format("/queries/{}", name(split)); }

void write_queries(storage::FileWriter& file, Split split, const QueryChunks& queries) {
  const std::string group = group_of(split);
  file.write<std::uint32_t>(group + "/relation_chunks", queries.relation_chunks,
                            {"chunks of directed relation r are rows [r] .. [r + 1] - 1 below"});
  file.write<std::uint32_t>(group + "/first_source", queries.first_sources, {"local row of the first source"});
  file.write<std::uint32_t>(group + "/first_query", queries.first_queries, {"queries before the chunk; then all"});
  file.write<std::uint32_t>(group + "/offset", queries.offsets,
                            {"where the chunk begins in chunks; then the end", "byte"});
  file.write<std::uint8_t>(group + "/chunks", queries.view().bytes, {"packed queries", "byte"});
}

void write_train_weights(storage::FileWriter& file, const QueryColumns& train) {
  const std::string group = group_of(Split::kTrain);
  write_weights(file, group, train.weights);
  file.attribute(group + kWeights, "mean", train.mean_weight);
}

void write_elsewhere(storage::FileWriter& file, const std::vector<std::uint64_t>& elsewhere) {
  const auto packed = packing::EliasFano::encode(elsewhere);
  const std::string group = kElsewhere;
  file.write<std::uint8_t>(group + "/low", std::span(packed.low).first(packed.low.size() - kPadding),
                           {"low bits of the global ids, side by side", "byte"});
  file.write<std::uint64_t>(group + "/high", packed.high, {"bit i + (id i without its low bits) is set"});
  file.attribute(group, "count", packed.count);
  file.attribute(group, "low_width", std::uint64_t{packed.low_width});
}

/// Over a pool to plan with, the memory alone.
template <class T>
memory::Buffer<T> load_column(const storage::FileReader& file, const std::string& path, memory::Pool& pool,
                              std::size_t padding = 0) {
  const std::uint64_t length = file.length(path);
  auto buffer = pool.allocate<T>(Tag::kQueries, length + padding);
  if (pool.is_planning()) return buffer;
  file.read_to<T>(path, buffer.span().first(length));
  std::fill_n(buffer.data() + length, padding, T{});
  return buffer;
}

template <class T>
memory::Buffer<T> copied(const std::vector<T>& from, memory::Pool& pool) {
  auto to = pool.allocate<T>(Tag::kQueries, from.size());
  std::copy(from.begin(), from.end(), to.data());
  return to;
}

/// Whether `ends` are the ends of `count` things, one after the other.
bool are_ends(std::span<const std::uint32_t> ends, std::uint64_t count) {
  return !ends.empty() && ends.front() == 0 && ends.back() == count && std::is_sorted(ends.begin(), ends.end());
}

bool has_sound_columns(const QueryChunkColumns& columns, std::uint64_t directed_relations) {
  const std::size_t chunks = columns.first_sources.size();
  return columns.relation_chunks.size() == directed_relations + 1 && are_ends(columns.relation_chunks, chunks) &&
         columns.first_queries.size() == chunks + 1 && columns.offsets.size() == chunks + 1 &&
         are_ends(columns.first_queries, columns.first_queries.back()) &&
         are_ends(columns.offsets, columns.chunk_bytes());
}

/// Unpacks every chunk. Queries must ascend from chunk to chunk of a relation, and a list that goes on in another chunk
/// must have chunks of its own. Counts the queries of each source.
bool is_sound(const QuerySet& queries, std::span<std::uint32_t> degrees) {
  packing::ChunkReader reader;
  std::pair<std::uint32_t, std::uint32_t> last;
  for (std::size_t chunk = 0; chunk < queries.chunk_count(); ++chunk) {
    queries.read(chunk, reader);
    const auto sources = reader.sources();
    if (chunk > 0 && queries.relation(chunk) == queries.relation(chunk - 1)) {
      if (last >= std::pair(sources.front(), reader.targets().front())) return false;
      if (last.first == sources.front() && !queries.continues(chunk)) return false;
    }
    if (queries.continues(chunk) && sources.back() != sources.front()) return false;
    last = {sources.back(), reader.targets().back()};
    for (const std::uint32_t source : sources) ++degrees[source];
  }
  return true;
}

[[noreturn]] void refuse_queries(const storage::FileReader& file, Split split) {
  fail(ExitStatus::kBadData, "'{}', {}: queries with ids out of range or out of order", file.path().string(),
       group_of(split));
}

}  // namespace

std::string part_file_name(PartId part) { return fmt::format("part-{:04}.h5", part.value()); }

void write_part(const std::filesystem::path& folder, const PartitionManifest& manifest, const PartContent& content) {
  const PartRows rows{manifest.offsets[content.part.index()], manifest.rows(content.part)};
  const auto elsewhere = targets_elsewhere(content.queries, rows);
  const QueryColumns& train = content.queries.front();
  const bool has_weights = train.mean_weight > 0;
  storage::FileWriter file(folder / part_file_name(content.part), kPartKind,
                           has_weights ? kPartVersion : kUnweightedPartVersion);
  file.attribute("/", "part", std::uint64_t{content.part.value()});
  file.attribute("/", "graph_digest", manifest.graph_digest);
  file.attribute("/", "first_entity", rows.first);
  for (const Split split : kSplits)
    write_queries(file, split, pack_queries(content.queries.at(static_cast<std::size_t>(split)), rows, elsewhere));
  if (has_weights) write_train_weights(file, train);
  write_elsewhere(file, elsewhere);
  file.write<std::uint64_t>(kOriginalIds, content.original_ids, {"entity id in graph.h5 of each local row"});
  file.write<std::uint32_t>("/entities/train_degree", content.train_degree, {"training queries with this source"});
  if (content.more) content.more(file);
  file.close();
}

Part::Part(const PartitionManifest& manifest, PartId part)
    : id_(part),
      first_entity_(manifest.offsets[part.index()]),
      rows_(checked_cast<std::uint32_t>(manifest.rows(part))) {}

WeightsView Part::Weights::view() const {
  if (stored) return {values.span(), width, *stored};
  return {values.span(), width, indices.span().first(indices.size() - kPadding)};
}

void Part::view(Split split) {
  const auto s = static_cast<std::size_t>(split);
  const Columns& columns = columns_.at(s);
  QueryChunkColumns view{columns.relation_chunks.span(),
                         columns.first_sources.span(),
                         columns.first_queries.span(),
                         columns.offsets.span(),
                         columns.bytes.span().first(columns.stored ? 0 : columns.bytes.size() - kPadding),
                         columns.stored.get()};
  if (split == Split::kTrain && weights_.mean > 0) {
    view.weights = weights_.view();
    view.mean_weight = weights_.mean;
  }
  sets_.at(s) = QuerySet(split, view, *targets_, rows_);
}

void Part::view_targets(std::uint64_t count, unsigned low_width, memory::Pool& pool) {
  constexpr std::uint64_t kEach = packing::EliasFanoView::kSampled;
  elsewhere_.samples = pool.allocate<std::uint32_t>(Tag::kQueries, (count + kEach - 1) / kEach);
  if (pool.is_planning()) return;
  packing::EliasFanoView::sample(elsewhere_.high.span(), elsewhere_.samples.span());
  *targets_ = TargetIds(first_entity_, rows_,
                        {count, low_width, elsewhere_.low.span(), elsewhere_.high.span(), elsewhere_.samples.span()});
}

void Part::load_columns(const storage::FileReader& file, Split split, memory::Pool& pool, Loading loading) {
  const std::string group = group_of(split);
  Columns& columns = columns_.at(static_cast<std::size_t>(split));
  columns.relation_chunks = load_column<std::uint32_t>(file, group + "/relation_chunks", pool);
  columns.first_sources = load_column<std::uint32_t>(file, group + "/first_source", pool);
  columns.first_queries = load_column<std::uint32_t>(file, group + "/first_query", pool);
  columns.offsets = load_column<std::uint32_t>(file, group + "/offset", pool);
  if (loading.place == QueryPlace::kFile)
    columns.stored = std::make_unique<storage::DatasetBytes>(file.open_bytes(group + "/chunks"));
  else
    columns.bytes = load_column<std::uint8_t>(file, group + "/chunks", pool, kPadding);
  const bool has_weights = split == Split::kTrain && file.integer("/", "format_version") >= kPartVersion;
  if (has_weights && loading.with_weights) load_weights(file, pool, loading.place);
}

void Part::load_weights(const storage::FileReader& file, memory::Pool& pool, QueryPlace place) {
  const std::string group = group_of(Split::kTrain);
  weights_.values = load_column<float>(file, group + kWeightValues, pool);
  if (place == QueryPlace::kFile)
    weights_.stored = std::make_unique<storage::DatasetBytes>(file.open_bytes(group + kWeightIndices));
  else
    weights_.indices = load_column<std::uint8_t>(file, group + kWeightIndices, pool, kPadding);
  weights_.width = static_cast<unsigned>(std::min<std::uint64_t>(file.integer(group + kWeights, "width"), 64));
  weights_.mean = file.real(group + kWeights, "mean");
  if (!(weights_.mean > 0) || !std::isfinite(weights_.mean))
    fail(ExitStatus::kBadData, "'{}', {}: a mean of {}", file.path().string(), group + kWeights, weights_.mean);
}

void Part::pack_weights(const QueryColumns& train, memory::Pool& pool) {
  if (!(train.mean_weight > 0)) return;
  const PackedWeights packed = PackedWeights::encode(train.weights);
  weights_.values = copied(packed.values, pool);
  weights_.indices = copied(packed.indices, pool);
  weights_.width = packed.width;
  weights_.mean = train.mean_weight;
}

void Part::take_memory(const storage::FileReader& file, memory::Pool& pool, Loading loading) {
  const std::string group = kElsewhere;
  elsewhere_.low = load_column<std::uint8_t>(file, group + "/low", pool, kPadding);
  elsewhere_.high = load_column<std::uint64_t>(file, group + "/high", pool);
  view_targets(file.integer(group, "count"), 0, pool);
  for (const Split split : kSplits) {
    load_columns(file, split, pool, loading);
    view(split);
  }
}

void Part::load_packed(const storage::FileReader& file, const PartitionManifest& manifest, memory::Pool& pool,
                       Loading loading) {
  const std::string group = kElsewhere;
  const std::uint64_t count = file.integer(group, "count");
  const std::uint64_t low_width = file.integer(group, "low_width");
  elsewhere_.low = load_column<std::uint8_t>(file, group + "/low", pool, kPadding);
  elsewhere_.high = load_column<std::uint64_t>(file, group + "/high", pool);
  const bool sound = low_width <= 64 &&
                     packing::EliasFanoView::is_sound(count, static_cast<unsigned>(low_width), elsewhere_.low.span(),
                                                      elsewhere_.high.span(), manifest.entity_count);
  if (sound) view_targets(count, static_cast<unsigned>(low_width), pool);
  if (!sound || !targets_->is_sound())
    fail(ExitStatus::kBadData, "'{}', {}: ids out of range or out of order", file.path().string(), group);
  for (const Split split : kSplits) {
    load_columns(file, split, pool, loading);
    view(split);
    if (!has_sound_columns(queries(split).columns(), 2 * manifest.relation_count)) refuse_queries(file, split);
  }
}

void Part::pack(const std::array<QueryColumns, 3>& splits, memory::Pool& pool) {
  const PartRows rows{first_entity_.value(), rows_};
  const auto elsewhere = targets_elsewhere(splits, rows);
  const auto packed = packing::EliasFano::encode(elsewhere);
  elsewhere_.low = copied(packed.low, pool);
  elsewhere_.high = copied(packed.high, pool);
  view_targets(packed.count, packed.low_width, pool);
  pack_weights(splits.front(), pool);
  for (const Split split : kSplits) {
    const auto s = static_cast<std::size_t>(split);
    const QueryChunks chunks = pack_queries(splits.at(s), rows, elsewhere);
    columns_.at(s) = {copied(chunks.relation_chunks, pool), copied(chunks.first_sources, pool),
                      copied(chunks.first_queries, pool),   copied(chunks.offsets, pool),
                      copied(chunks.bytes, pool),           nullptr};
    view(split);
  }
}

// Training queries of every row are counted twice: here, and by the writer.
void Part::check(const storage::FileReader& file, const PartitionManifest& manifest) const {
  const std::uint64_t planned = manifest.figures.at(id_.index()).queries;
  if (queries(Split::kTrain).size() != planned)
    fail(ExitStatus::kBadData, "'{}' has {} training queries where '{}' says {}", file.path().string(),
         queries(Split::kTrain).size(), (file.path().parent_path() / kManifestFile).string(), planned);
  if (weights_.mean > 0 && !weights_.view().are_sound(planned))
    fail(ExitStatus::kBadData, "'{}', {}: weights that are damaged, negative or no numbers", file.path().string(),
         group_of(Split::kTrain) + kWeights);
  if (train_degree_.size() != rows_)
    fail(ExitStatus::kBadData, "'{}', /entities/train_degree: must count the training queries of every row",
         file.path().string());
  std::vector<std::uint32_t> counted(rows_, 0);
  for (const Split split : {Split::kValid, Split::kTest, Split::kTrain}) {
    std::fill(counted.begin(), counted.end(), 0);
    try {
      if (!is_sound(queries(split), counted)) refuse_queries(file, split);
    } catch (const Error& error) {
      fail(error.status(), "'{}', {}: {}", file.path().string(), group_of(split), error.what());
    }
  }
  if (!std::equal(counted.begin(), counted.end(), train_degree_.data()))
    fail(ExitStatus::kBadData, "'{}', /entities/train_degree: must count the training queries of every row",
         file.path().string());
}

Part Part::load(const std::filesystem::path& folder, const PartitionManifest& manifest, PartId part, memory::Pool& pool,
                Loading loading) {
  const auto file = storage::FileReader::open_verified(folder / part_file_name(part), kPartKind, kPartVersion);
  if (file.string("/", "graph_digest") != manifest.graph_digest || file.integer("/", "part") != part.value() ||
      file.integer("/", "first_entity") != manifest.offsets[part.index()])
    fail(ExitStatus::kBadData, "'{}' belongs to another data set or part than '{}'", file.path().string(),
         (folder / kManifestFile).string());
  Part loaded(manifest, part);
  if (file.integer("/", "format_version") == 1)
    loaded.pack(detail::load_plain_queries(file, manifest, loaded.rows_), pool);
  else
    loaded.load_packed(file, manifest, pool, loading);
  loaded.train_degree_ = load_column<std::uint32_t>(file, "/entities/train_degree", pool);
  loaded.check(file, manifest);
  return loaded;
}

Part Part::planned(const std::filesystem::path& folder, const PartitionManifest& manifest, PartId part,
                   memory::Pool& pool, Loading loading) {
  const std::filesystem::path path = folder / part_file_name(part);
  if (!std::filesystem::exists(path))
    fail(ExitStatus::kMissingInput, "'{}' is not there: the partition is not complete; partition the graph again",
         path.string());
  const auto file = storage::FileReader::open_unverified(path);
  Part planned(manifest, part);
  if (file.integer("/", "format_version") == 1)
    planned.pack(detail::load_plain_queries(file, manifest, planned.rows_), pool);
  else
    planned.take_memory(file, pool, loading);
  planned.train_degree_ = load_column<std::uint32_t>(file, "/entities/train_degree", pool);
  return planned;
}

Part Part::made(const PartitionManifest& manifest, PartId part, QueryColumns train, memory::Pool& pool) {
  Part made(manifest, part);
  if (!train.sources.empty()) {
    made.pack({std::move(train), {}, {}}, pool);
  } else {
    QueryChunkColumns none;
    none.mean_weight = train.mean_weight;
    made.sets_.front() = QuerySet(Split::kTrain, none, *made.targets_, made.rows_);
  }
  return made;
}

}  // namespace tessera::graph
