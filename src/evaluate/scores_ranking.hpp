// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/ranking.hpp"
#include "search/entity_scores.hpp"
#include "search/setup.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace tessera::evaluate {

/// Ranking by a model that scores all entities of a query at once. The owner of a source scores and counts, so queries
/// are shared out to the ranks as the parts are; what travels is the outcome, 48 bytes per query. Queries of the same
/// (source, relation) are scored once. Ranks and threads change no bit.
class ScoresRanking final : public Ranking {
 public:
  /// Not collective. Throws AgreedError(kUsage) when `options` ask for some candidates only.
  ScoresRanking(const search::Ranks& ranks, search::EntityScores& scores, const Options& options);
  ~ScoresRanking() override;
  ScoresRanking(const ScoresRanking&) = delete;
  ScoresRanking& operator=(const ScoresRanking&) = delete;

  Metrics run(graph::Split split, const RankConsumer& consume) override;
  void run(std::span<const Triple> triples, const RankConsumer& consume) override;
  std::uint64_t query_count(graph::Split split) override;
  [[nodiscard]] std::string candidate_digest() const override { return {}; }
  [[nodiscard]] std::uint64_t block_queries() const override;
  [[nodiscard]] const Options& options() const override;
  [[nodiscard]] ModelLabel model() const override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera::evaluate
