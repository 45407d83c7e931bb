// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "predict/answer_search.hpp"
#include "search/answerer.hpp"
#include "search/setup.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace tessera::predict {

/// Exact top-k search over all entities. Every rank scores its own rows and keeps its k best; rank 0 merges. Whether an
/// answer is known is looked up where the answer lives, in its queries by the inverse relation: no lists travel. The
/// same bits on any number of ranks and threads.
class Searcher final : public AnswerSearch {
 public:
  /// Collective. Takes its memory (Tag::kEvaluation) from the pool; reads the original ids of the owned parts. Throws
  /// AgreedError(kBadData) when the model is not finite, AgreedError(kOverBudget). Whatever `make_answerer` makes finds
  /// answers with the same bits.
  Searcher(const search::Setup& setup, const std::filesystem::path& partition_folder, const SearchOptions& options,
           const search::MakeAnswerer& make_answerer = search::answer_on_host());
  ~Searcher() override;
  Searcher(const Searcher&) = delete;
  Searcher& operator=(const Searcher&) = delete;

  /// Bytes that a searcher on one of `ranks` ranks takes of the pool for blocks of sizes.sizes.block_queries queries
  /// when it answers on the host, original ids apart.
  static std::uint64_t bytes(const search::AnswerSizes& sizes, std::uint64_t ranks);

  /// Takes the memory of a searcher that answers on the host from the pool of `setup`, which is one to plan with.
  static void plan(const search::Setup& setup, const SearchOptions& options);

  std::vector<Answers> search(std::span<const search::Query> queries) override;
  /// The first call takes the memory of a RelationSearch.
  Answers search_relations(EntityId head, EntityId tail) override;
  void log_cost() override;
  [[nodiscard]] std::uint64_t block_queries() const override;
  [[nodiscard]] std::uint64_t most_answers() const override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera::predict
