// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/ranking.hpp"
#include "search/ranker.hpp"
#include "search/setup.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace tessera::evaluate {

/// Exact filtered ranking of the targets of a split among all entities, both directions, without gathering the table.
/// A score is computed where its row lives; what travels is query vectors, ids of known answers (or of listed
/// candidates) and integer counts (32 + 4 dim bytes per query to every rank, 32 bytes per query reduced). Ranks and
/// metrics have the same bits on any number of ranks and threads. Works on the parameters as they are when run() is
/// called.
class Evaluator final : public Ranking {
 public:
  /// Collective. Takes all its memory (Tag::kEvaluation) here and reads the candidate file, if there is one. Throws
  /// AgreedError: kOverBudget; kMissingInput and kBadData for the candidate file. Whatever `make_ranker` makes compares
  /// with the same bits; where options.among is given, targets are ranked among those rows by the host.
  Evaluator(const search::Setup& setup, const Options& options,
            const search::MakeRanker& make_ranker = search::rank_on_host());
  ~Evaluator() override;
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  /// After the first run of a split the pool is not asked for more. Throws AgreedError(kBadData), too, when the
  /// candidate file has no list for a query.
  Metrics run(graph::Split split, const RankConsumer& consume) override;
  Metrics run(graph::Split split) { return run(split, {}); }
  void run(std::span<const Triple> triples, const RankConsumer& consume) override;
  std::uint64_t query_count(graph::Split split) override;
  [[nodiscard]] std::string candidate_digest() const override;
  [[nodiscard]] std::uint64_t block_queries() const override;
  [[nodiscard]] const Options& options() const override;
  [[nodiscard]] ModelLabel model() const override;

  /// Bytes that an evaluator takes of the pool when it is made and ranks on the host, listed candidates apart.
  static std::uint64_t bytes(const search::Sizes& sizes);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera::evaluate
