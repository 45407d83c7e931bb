// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "predict/pairs.hpp"
#include "search/best_pairs.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace tessera::predict::detail {

/// One of the best pairs of a rank.
struct RankPair {
  search::Pair pair;
  KnownIn known_in = KnownIn::kNowhere;
};

/// Collective. The k best of the pairs of all ranks, best first, on every rank.
std::vector<RankPair> merge_pairs(comm::Communicator& comm, std::span<const RankPair> own, std::uint64_t k);

/// Collective. Pairs that every rank has, with original ids: rank 0 returns them, the others nothing. Throws
/// AgreedError: kBadData, kMissingInput, kOverBudget.
std::vector<FoundPair> with_original_ids(const search::Setup& setup, const std::filesystem::path& partition_folder,
                                         std::span<const RankPair> pairs);

}  // namespace tessera::predict::detail
