// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/query_set.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <vector>

namespace tessera::graph {
namespace {

/// What a thread keeps of its last questions.
struct Asked {
  packing::ChunkReader reader;
  std::uint64_t set = 0;  // its identity
  std::size_t chunk = 0;
};

struct KnownList {
  std::uint64_t set = 0;
  LocalRow source;
  RelationId relation;
  std::vector<std::uint64_t> targets;
};

Asked& asked() {
  static thread_local auto asked = std::make_unique<Asked>();
  return *asked;
}

KnownList& known_list(Split split) {
  static thread_local std::array<KnownList, kSplits.size()> lists;
  return lists.at(static_cast<std::size_t>(split));
}

std::uint64_t next_identity() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

}  // namespace

QuerySet::QuerySet(Split split, const QueryChunkColumns& columns, const TargetIds& targets, std::uint32_t rows)
    : identity_(next_identity()), split_(split), columns_(columns), targets_(&targets), bounds_{rows, targets.size()} {}

std::uint64_t QuerySet::bytes() const {
  return columns_.relation_chunks.size_bytes() + columns_.first_sources.size_bytes() +
         columns_.first_queries.size_bytes() + columns_.offsets.size_bytes() + columns_.bytes.size();
}

RelationId QuerySet::relation(std::size_t chunk) const {
  const auto chunks = columns_.relation_chunks;
  const auto next = std::upper_bound(chunks.begin(), chunks.end(), chunk);
  return RelationId(static_cast<std::uint32_t>(next - chunks.begin() - 1));
}

bool QuerySet::continues(std::size_t chunk) const {
  return chunk > 0 && columns_.first_sources[chunk] == columns_.first_sources[chunk - 1] &&
         relation(chunk) == relation(chunk - 1);
}

void QuerySet::refuse(std::size_t chunk) const {
  const std::string where = columns_.stored == nullptr ? "" : columns_.stored->name() + ": ";
  fail(ExitStatus::kBadData, "{}chunk {} of the packed {} queries is damaged", where, chunk, name(split_));
}

// A chunk that is read from its file lies in memory of the thread, until its next chunk.
std::span<const std::uint8_t> QuerySet::chunk_bytes(std::size_t chunk) const {
  const std::uint32_t first = columns_.offsets[chunk];
  const std::uint32_t count = columns_.offsets[chunk + 1] - first;
  if (columns_.stored == nullptr) return columns_.bytes.subspan(first, count);
  static thread_local std::vector<std::uint8_t> read;
  read.resize(count + packing::kPadding);
  columns_.stored->read(first, std::span(read).first(count));
  return std::span(read).first(count);
}

std::uint32_t QuerySet::list_count(std::size_t chunk) const {
  const auto counts = packing::ChunkReader::counts(chunk_bytes(chunk));
  if (!counts) refuse(chunk);
  return counts->lists;
}

void QuerySet::read(std::size_t chunk, packing::ChunkReader& reader) const {
  if (!reader.read(chunk_bytes(chunk), columns_.first_sources[chunk], bounds_) ||
      reader.sources().size() != chunk_queries(chunk))
    refuse(chunk);
}

void QuerySet::read_weights(std::uint64_t first, std::span<float> out) const {
  columns_.weights.read(first, out);
  for (float& weight : out) weight = static_cast<float>(static_cast<double>(weight) / columns_.mean_weight);
}

Query QuerySet::query(std::uint64_t i) const {
  const auto next = std::upper_bound(columns_.first_queries.begin(), columns_.first_queries.end(), i);
  const auto chunk = static_cast<std::size_t>(next - columns_.first_queries.begin() - 1);
  Asked& last = asked();
  if (last.set != identity_ || last.chunk != chunk) {
    last.set = 0;
    read(chunk, last.reader);
    last.set = identity_;
    last.chunk = chunk;
  }
  const std::size_t k = i - first_query(chunk);
  return {LocalRow(last.reader.sources()[k]), relation(chunk), EntityId(entity(last.reader.targets()[k]))};
}

// The list begins in the first chunk that has its source as the first, or else in the chunk before that.
std::span<const std::uint64_t> QuerySet::known_targets(LocalRow source, RelationId relation) const {
  if (columns_.relation_chunks.empty()) return {};
  KnownList& list = known_list(split_);
  if (list.set == identity_ && list.source == source && list.relation == relation) return list.targets;
  list = {0, source, relation, std::move(list.targets)};
  list.targets.clear();
  const std::size_t first = columns_.relation_chunks[relation.index()];
  const std::size_t end = columns_.relation_chunks[relation.index() + 1];
  const auto sources = columns_.first_sources.subspan(first, end - first);
  auto chunk = first + static_cast<std::size_t>(std::lower_bound(sources.begin(), sources.end(), source.value()) -
                                                sources.begin());
  if (chunk > first && (chunk == end || columns_.first_sources[chunk] != source.value())) --chunk;
  packing::ChunkReader& reader = asked().reader;
  asked().set = 0;
  for (; chunk < end && columns_.first_sources[chunk] <= source.value(); ++chunk) {
    if (!reader.find(chunk_bytes(chunk), columns_.first_sources[chunk], source.value(), bounds_)) refuse(chunk);
    const std::size_t before = list.targets.size();
    list.targets.resize(before + reader.targets().size());
    targets_->entities_of_list(reader.targets(), list.targets.data() + before);
  }
  list.set = identity_;
  return list.targets;
}

}  // namespace tessera::graph
