// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/split.hpp"
#include "search/row_mask.hpp"
#include "search/setup.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace tessera::predict {

/// The treatment of answers that are triples of the graph.
enum class KnownAnswers { kMark, kOmit };

/// The split that has a fact; the first of them when several have it.
enum class KnownIn : std::uint8_t { kNowhere = 0, kTrain = 1, kValid = 2, kTest = 3 };
/// "", "train", ...
const char* name(KnownIn known);
KnownIn known_in(std::optional<graph::Split> split);

struct SearchOptions {
  std::uint64_t k = 10;  ///< answers per query; fewer when the graph has fewer
  KnownAnswers known = KnownAnswers::kMark;
  const search::RowMask* among = nullptr;  ///< own rows that may be answers; none: all. Outlives the search
  std::uint64_t block_queries = 256;       ///< most queries searched at once; less when k or the ranks are many
};

struct Answer {
  std::uint64_t entity = 0;  ///< original id
  float score = 0;
  KnownIn known_in = KnownIn::kNowhere;
};

/// The best answers of one query, best first. Order: score, then the smaller global id.
using Answers = std::vector<Answer>;

/// Finds the best answers by some model. The first three are collective.
class AnswerSearch {
 public:
  virtual ~AnswerSearch() = default;
  /// `queries`, at most block_queries(), are the same on every rank. Rank 0 returns the answers of each, the others
  /// nothing. Throws AgreedError(kOverBudget) when a device has no room for the known answers of a query.
  virtual std::vector<Answers> search(std::span<const search::Query> queries) = 0;
  /// The best relations of (head, ?, tail), as Answer::entity, on rank 0; the others nothing.
  virtual Answers search_relations(EntityId head, EntityId tail) = 0;
  /// Logs how many pairs of all searches were scored twice, if any were.
  virtual void log_cost() {}
  [[nodiscard]] virtual std::uint64_t block_queries() const = 0;
  /// k, or the entities when they are fewer.
  [[nodiscard]] virtual std::uint64_t most_answers() const = 0;
};

using MakeAnswerSearch = std::function<std::unique_ptr<AnswerSearch>()>;

}  // namespace tessera::predict
