// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/query_items.hpp"

#include "model/gather_parts.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <span>

namespace tessera::sampling {
namespace {

constexpr std::uint64_t kMostAnswers = 32;
static_assert(packing::kChunkQueries % kMostAnswers == 0, "then no item spans the chunks of a long list");

ItemCount count_groups(const graph::QuerySet& queries, std::uint64_t most_answers) {
  ItemCount count;
  std::uint64_t length = 0;  // of the last list so far
  const auto reader = std::make_unique<packing::ChunkReader>();
  for (std::size_t chunk = 0; chunk < queries.chunk_count(); ++chunk) {
    queries.read(chunk, *reader);
    const auto sources = reader->sources();
    const bool goes_on = items_span_chunks(most_answers) && queries.continues(chunk);
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const bool same = i == 0 ? goes_on : sources[i] == sources[i - 1];
      const bool starts = !same || length == most_answers;
      count.items += starts ? 1 : 0;
      length = starts ? 1 : length + 1;
      count.largest = std::max(count.largest, length);
    }
  }
  return count;
}

}  // namespace

std::uint64_t most_answers(const Job& job) {
  if (!job.train.group_queries) return 0;
  return job.loss.name == "bce" ? std::numeric_limits<std::uint64_t>::max() : kMostAnswers;
}

bool items_span_chunks(std::uint64_t most_answers) { return most_answers > kMostAnswers; }

std::vector<ItemCount> count_items(comm::Communicator& comm, const graph::Shard& shard, const Job& job) {
  std::vector<ItemCount> all(shard.manifest.part_count());
  for (std::size_t p = 0; p < all.size(); ++p) all[p].items = shard.manifest.figures[p].queries;
  if (!job.train.group_queries) return all;
  std::vector<ItemCount> own;
  for (const graph::Part& part : shard.parts)
    own.push_back(count_groups(part.queries(graph::Split::kTrain), most_answers(job)));
  return model::gather_parts<ItemCount>(comm, shard.placement, own);
}

}  // namespace tessera::sampling
