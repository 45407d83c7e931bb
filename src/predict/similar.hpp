// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "predict/pairs.hpp"
#include "search/setup.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace tessera::predict {

/// How two entity rows are compared. Complex rows are taken as real ones of twice as many numbers.
enum class Nearness {
  kCosine,    ///< a.b / (|a| |b|); 0 for a row of zeros
  kDot,       ///< a.b
  kDistance,  ///< |a - b|, Euclidean: the smaller, the nearer
};
/// "cosine", "dot", "distance", and back; throws Error(kUsage).
const char* name(Nearness nearness);
Nearness find_nearness(const std::string& name);

struct SimilarOptions {
  Nearness by = Nearness::kCosine;
  std::uint64_t k = 10;
  const search::RowMask* among = nullptr;  ///< own rows that are searched; none: all. Outlives the search
};

/// Collective. The k entities nearest to each of `entities` (global ids, the same on every rank), nearest first, itself
/// apart: rank 0 returns pairs of the entity and its neighbour by original id, of all entities one after the other; the
/// others return nothing. A score is a cosine, a dot product, or the negative of a distance. Exact; the same bits on
/// any number of ranks and threads. Reads all rows once for each entity. Throws AgreedError: kBadData when a row is not
/// finite, kOverBudget.
std::vector<FoundPair> find_similar(const search::Setup& setup, const std::filesystem::path& partition_folder,
                                    std::span<const EntityId> entities, const SimilarOptions& options);

}  // namespace tessera::predict
