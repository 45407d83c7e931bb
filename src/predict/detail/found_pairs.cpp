// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/detail/found_pairs.hpp"

#include "search/original_ids.hpp"
#include "search/query_vectors.hpp"

#include <algorithm>

namespace tessera::predict::detail {
namespace {

/// Collective. The pairs of all ranks, on every rank.
std::vector<RankPair> gather(comm::Communicator& comm, std::span<const RankPair> own) {
  const std::vector<std::size_t> begin = search::offsets_by_rank(comm, own.size());
  std::vector<RankPair> all(begin.back());
  search::gather_by_rank<RankPair>(comm, begin, own, all);
  return all;
}

}  // namespace

std::vector<RankPair> merge_pairs(comm::Communicator& comm, std::span<const RankPair> own, std::uint64_t k) {
  std::vector<RankPair> all = gather(comm, own);
  std::sort(all.begin(), all.end(),
            [](const RankPair& a, const RankPair& b) { return search::is_better(a.pair, b.pair); });
  all.resize(std::min<std::uint64_t>(all.size(), k));
  return all;
}

std::vector<FoundPair> with_original_ids(const search::Setup& setup, const std::filesystem::path& partition_folder,
                                         std::span<const RankPair> pairs) {
  std::vector<std::int64_t> ids;
  for (const RankPair& found : pairs) {
    ids.push_back(static_cast<std::int64_t>(found.pair.source.value()));
    ids.push_back(static_cast<std::int64_t>(found.pair.target.value()));
  }
  search::OriginalIds(setup.comm, setup.shard, partition_folder, setup.host.pool()).translate(setup.comm, ids);
  std::vector<FoundPair> found;
  if (!setup.comm.is_root()) return found;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    found.push_back({static_cast<std::uint64_t>(ids[2 * i]), static_cast<std::uint64_t>(ids[2 * i + 1]),
                     pairs[i].pair.score, pairs[i].known_in});
  return found;
}

}  // namespace tessera::predict::detail
