// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph_reader.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::graph {
namespace {

constexpr std::uint64_t kBlockTriples = std::uint64_t{1} << 18U;

storage::FileReader open_graph(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder))
    fail(ExitStatus::kMissingInput, "graph '{}' does not exist; 'tessera import' makes it", folder.string());
  return storage::FileReader::open_verified(folder / kGraphFile, kGraphKind, kGraphVersion);
}

WeightRange read_weight_range(const storage::FileReader& file) {
  const std::string group = fmt::format("/splits/{}", name(Split::kTrain));
  const WeightRange range{file.real(group, "weight_least"), file.real(group, "weight_mean"),
                          file.real(group, "weight_most")};
  if (!(range.least >= 0 && range.least <= range.mean && range.mean <= range.most && range.mean > 0) ||
      !std::isfinite(range.most))
    fail(ExitStatus::kBadData, "'{}', {}: weights from {} to {} with a mean of {}", file.path().string(), group,
         range.least, range.most, range.mean);
  return range;
}

}  // namespace

GraphReader::GraphReader(const std::filesystem::path& folder)
    : file_(open_graph(folder)),
      is_packed_(file_.integer("/", "format_version") > 1),
      entity_count_(file_.integer("/", "entities")),
      relation_count_(file_.integer("/", "relations")),
      digest_(storage::FolderChecksums::load(folder).digests().at(kGraphFile).hex()) {
  if (entity_count_ == 0 || relation_count_ == 0 || relation_count_ > kMostRelations)
    fail(ExitStatus::kBadData, "'{}': {} entities and {} relations are not a graph", file_.path().string(),
         entity_count_, relation_count_);
  // Names and packed attributes take a fraction of a byte for an entity at least: what is allocated by these counts is
  // in proportion to the file.
  const std::uint64_t most = std::filesystem::file_size(file_.path()) * 64;
  if (entity_count_ > most || relation_count_ > most)
    fail(ExitStatus::kBadData, "'{}': {} entities and {} relations are more than the file can hold",
         file_.path().string(), entity_count_, relation_count_);
  for (const Split split : kSplits) {
    const std::string group = fmt::format("/splits/{}", name(split));
    if (!file_.has(group)) continue;
    const auto s = static_cast<std::size_t>(split);
    if (is_packed_) packed_.at(s).emplace(file_, group, TripleBounds{entity_count_, relation_count_});
    triple_counts_.at(s) = is_packed_ ? packed_.at(s)->size() : plain_length(split);
  }
  if (file_.integer("/", "format_version") >= kGraphVersion) weight_range_ = read_weight_range(file_);
}

std::uint64_t GraphReader::plain_length(Split split) const {
  const std::string head = fmt::format("/splits/{}/head", name(split));
  const std::uint64_t count = file_.length(head);
  for (const char* column : {"relation", "tail"}) {
    const std::string path = fmt::format("/splits/{}/{}", name(split), column);
    if (file_.length(path) != count)
      fail(ExitStatus::kBadData, "'{}', {}: has {} values where {} has {}", file_.path().string(), path,
           file_.length(path), head, count);
  }
  return count;
}

storage::StringBlocks GraphReader::names(const std::string& group, std::uint64_t count) const {
  auto names = storage::StringBlocks::open(file_, group);
  if (names.size() != count)
    fail(ExitStatus::kBadData, "'{}', {}: {} names where {} are needed", file_.path().string(), group, names.size(),
         count);
  return names;
}

storage::StringBlocks GraphReader::entity_names() const { return names("/entities/names", entity_count_); }

storage::StringBlocks GraphReader::relation_names() const { return names("/relations/names", relation_count_); }

void GraphReader::for_each_block(Split split, const std::function<void(std::span<const Triple>)>& consume) const {
  if (!is_packed_) return for_each_plain_block(split, 0, triple_count(split), consume);
  const auto& packed = packed_.at(static_cast<std::size_t>(split));
  if (!packed) return;
  std::uint64_t found = 0;
  packed->for_each_chunk(file_, [&](std::span<const Triple> triples) {
    found += triples.size();
    consume(triples);
  });
  if (found != triple_count(split))
    fail(ExitStatus::kBadData, "'{}', /splits/{}: {} triples where {} are said to be", file_.path().string(),
         name(split), found, triple_count(split));
}

void GraphReader::for_each_block_of(Split split, RelationId relation, std::uint64_t first, std::uint64_t count,
                                    const std::function<void(std::span<const Triple>)>& consume) const {
  if (!is_packed_) return for_each_plain_block(split, first, count, consume);
  const auto& packed = packed_.at(static_cast<std::size_t>(split));
  if (packed) packed->for_each_chunk_of(relation, file_, consume);
}

void GraphReader::for_each_plain_block(Split split, std::uint64_t first, std::uint64_t count,
                                       const std::function<void(std::span<const Triple>)>& consume) const {
  const std::string group = fmt::format("/splits/{}", name(split));
  std::vector<Triple> triples;
  for (const std::uint64_t end = first + count; first < end; first += triples.size()) {
    const std::uint64_t rows = std::min(kBlockTriples, end - first);
    std::vector<std::uint64_t> heads(rows);
    std::vector<std::uint32_t> relations(rows);
    std::vector<std::uint64_t> tails(rows);
    file_.read_rows<std::uint64_t>(group + "/head", first, rows, heads);
    file_.read_rows<std::uint32_t>(group + "/relation", first, rows, relations);
    file_.read_rows<std::uint64_t>(group + "/tail", first, rows, tails);
    triples.clear();
    for (std::uint64_t i = 0; i < rows; ++i) {
      if (heads[i] >= entity_count_ || tails[i] >= entity_count_ || relations[i] >= relation_count_)
        fail(ExitStatus::kBadData, "'{}', {}: triple {} has an id out of range", file_.path().string(), group,
             first + i);
      triples.push_back({EntityId(heads[i]), RelationId(relations[i]), EntityId(tails[i])});
    }
    consume(triples);
  }
}

}  // namespace tessera::graph
