// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/split.hpp"
#include "search/answerer.hpp"
#include "search/setup.hpp"

#include <cstdint>
#include <filesystem>
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

/// Exact top-k search over all entities. Every rank scores its own rows and keeps its k best; rank 0 merges. Whether an
/// answer is known is looked up where the answer lives, in its queries by the inverse relation: no lists travel. The
/// same bits on any number of ranks and threads.
class Searcher {
 public:
  /// Collective. Takes its memory (Tag::kEvaluation) from the pool; reads the original ids of the owned parts. Throws
  /// AgreedError(kBadData) when the model is not finite, AgreedError(kOverBudget). Whatever `make_answerer` makes finds
  /// answers with the same bits.
  Searcher(const search::Setup& setup, const std::filesystem::path& partition_folder, const SearchOptions& options,
           const search::MakeAnswerer& make_answerer = search::answer_on_host());
  ~Searcher();
  Searcher(const Searcher&) = delete;
  Searcher& operator=(const Searcher&) = delete;

  /// Bytes that a searcher on one of `ranks` ranks takes of the pool for blocks of sizes.sizes.block_queries queries
  /// when it answers on the host, original ids apart.
  static std::uint64_t bytes(const search::AnswerSizes& sizes, std::uint64_t ranks);

  /// Takes the memory of a searcher that answers on the host from the pool of `setup`, which is one to plan with.
  static void plan(const search::Setup& setup, const SearchOptions& options);

  /// Collective; `queries`, at most block_queries(), are the same on every rank. Rank 0 returns the answers of each,
  /// the others nothing. Throws AgreedError(kOverBudget) when a device has no room for the known answers of a query.
  std::vector<Answers> search(std::span<const search::Query> queries);

  /// Collective. Logs how many pairs of all searches were scored twice, if any were.
  void log_cost();

  [[nodiscard]] std::uint64_t block_queries() const;
  /// k, or the entities when they are fewer.
  [[nodiscard]] std::uint64_t most_answers() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera::predict
