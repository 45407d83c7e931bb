// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "predict/searcher.hpp"
#include "search/setup.hpp"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace tessera::predict {

struct PairOptions {
  RelationId relation;   ///< 0 .. R-1
  std::uint64_t k = 10;  ///< pairs that are wanted
  KnownAnswers known = KnownAnswers::kMark;
  const search::RowMask* heads = nullptr;  ///< own rows that may be heads; none: all. Outlives the search, as do tails
  const search::RowMask* tails = nullptr;  ///< own rows that may be tails; none: all
  std::uint64_t block_heads = 256;         ///< most heads compared at once; less when memory is short
  bool show_progress = false;              ///< on rank 0
};

/// A head and a tail, by original id.
struct FoundPair {
  std::uint64_t head = 0;
  std::uint64_t tail = 0;
  float score = 0;  ///< of (head, relation, ?) with this tail
  KnownIn known_in = KnownIn::kNowhere;
};

/// Collective. The k best pairs of any head and any tail, best first; rank 0 returns them, the others nothing. Exact:
/// every pair is scored. Blocks of heads go to all ranks, a rank scores its own rows and keeps its k best; rank 0
/// merges. Order: score, then the smaller global id of the head, then of the tail. The same bits on any number of ranks
/// and threads. Memory does not grow with the number of pairs; heads x tails x dim multiply-adds. Throws AgreedError:
/// kBadData when the model is not finite, kOverBudget.
std::vector<FoundPair> best_pairs(const search::Setup& setup, const std::filesystem::path& partition_folder,
                                  const PairOptions& options);

}  // namespace tessera::predict
