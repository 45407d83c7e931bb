// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "predict/answer_search.hpp"
#include "search/entity_scores.hpp"
#include "search/known_answers.hpp"
#include "search/original_ids.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace tessera::predict {

/// Searches answers by a model that scores all entities of a query at once; the owner of a source does.
class ScoresSearcher final : public AnswerSearch {
 public:
  /// Collective. Reads the original ids of the owned parts. Throws AgreedError(kUsage) when k is 0 or `options` ask for
  /// some entities only.
  ScoresSearcher(const search::Ranks& ranks, search::EntityScores& scores,
                 const std::filesystem::path& partition_folder, const SearchOptions& options);

  std::vector<Answers> search(std::span<const search::Query> queries) override;
  /// Asks (head, r, ?) for every relation r.
  Answers search_relations(EntityId head, EntityId tail) override;
  [[nodiscard]] std::uint64_t block_queries() const override { return options_.block_queries; }
  [[nodiscard]] std::uint64_t most_answers() const override { return options_.k; }

 private:
  /// An answer as it travels; `answer.entity` is a global id.
  struct Found {
    Answer answer;
    std::uint64_t is_answer = 0;
  };
  void search_own(std::span<const search::Query> queries, std::span<const std::size_t> own,
                  std::span<Found> found) const;
  void find_best(const search::Query& query, std::span<const float> scores, std::span<Found> found) const;

  search::Ranks ranks_;
  search::EntityScores& scores_;
  SearchOptions options_;
  search::KnownAnswers known_;
  search::OriginalIds original_ids_;
};

}  // namespace tessera::predict
