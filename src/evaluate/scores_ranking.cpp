// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/scores_ranking.hpp"

#include "comm/agreement.hpp"
#include "core/progress.hpp"
#include "evaluate/detail/query_order.hpp"
#include "evaluate/detail/tally.hpp"
#include "evaluate/relation_class.hpp"
#include "search/known_answers.hpp"
#include "search/query_vectors.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

namespace tessera::evaluate {
namespace {

using memory::Tag;

constexpr std::uint64_t kFirstRound = 256;  // queries of a rank between two meetings of the ranks
constexpr std::uint64_t kMostRound = std::uint64_t{1} << 16U;
constexpr double kRoundSeconds = 10;  // the ranks meet so often: a rank that waits for longer would give up
constexpr std::uint64_t kNobody = ~std::uint64_t{0};

}  // namespace

class ScoresRanking::State {
 public:
  State(const search::Ranks& ranks, search::EntityScores& scores, const Options& options)
      : ranks_(ranks),
        scores_(scores),
        options_(options),
        known_(ranks.shard, std::span(graph::kSplits).first(options.filter == Filter::kTrainValid ? 2 : 3)) {}

  Metrics run(const detail::QueryOrder& queries, const std::string& what, const RankConsumer& consume);
  [[nodiscard]] const search::Ranks& ranks() const { return ranks_; }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] ModelLabel model() const { return {scores_.name(), scores_.dim()}; }

 private:
  using Outcomes = std::span<RankedQuery>;
  void rank_own(const detail::QueryOrder& queries, Progress& progress, Outcomes own);
  void rank_round(const detail::QueryOrder& queries, std::uint64_t first, Outcomes round);
  void rank_alike(std::span<const float> scores, Outcomes alike) const;
  [[nodiscard]] std::vector<std::uint64_t> known_of(const search::Query& query) const;

  search::Ranks ranks_;
  search::EntityScores& scores_;
  Options options_;
  search::KnownAnswers known_;
  std::vector<RelationClass> classes_;
};

Metrics ScoresRanking::State::run(const detail::QueryOrder& queries, const std::string& what,
                                  const RankConsumer& consume) {
  detail::Tally tally(ranks_);
  if (classes_.empty()) classes_ = relation_classes(ranks_);
  std::vector<std::size_t> begin;
  for (std::size_t r = 0; r <= static_cast<std::size_t>(ranks_.comm.size()); ++r)
    begin.push_back(queries.rank_offset(r));
  const auto me = static_cast<std::size_t>(ranks_.comm.rank().value());
  memory::Buffer<RankedQuery> own;
  memory::Buffer<RankedQuery> all;
  comm::together(ranks_.comm, [&] {
    own = ranks_.host.allocate<RankedQuery>(Tag::kEvaluation, begin[me + 1] - begin[me]);
    all = ranks_.host.allocate<RankedQuery>(Tag::kEvaluation, queries.size());
  });
  Progress progress(what, own.size(), "queries", !options_.show_progress || !ranks_.comm.is_root());
  rank_own(queries, progress, own.span());
  search::gather_by_rank<RankedQuery>(ranks_.comm, begin, own.span(), all.span());
  for (std::uint64_t first = 0; first < all.size(); first += options_.block_queries) {
    const auto block = all.span().subspan(first, std::min<std::uint64_t>(options_.block_queries, all.size() - first));
    tally.add(block);
    if (consume) consume(block);
  }
  return tally.finish();
}

/// Collective. In rounds whose lengths follow the time that they take.
void ScoresRanking::State::rank_own(const detail::QueryOrder& queries, Progress& progress, Outcomes own) {
  std::uint64_t done = 0;
  std::uint64_t length = kFirstRound;
  while (ranks_.comm.reduce(done < own.size() ? 1 : 0, comm::Reduction::kMax) > 0) {
    const std::uint64_t count = std::min<std::uint64_t>(length, own.size() - done);
    const auto start = std::chrono::steady_clock::now();
    comm::together(ranks_.comm, [&] { rank_round(queries, done, own.subspan(done, count)); });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double fitting = static_cast<double>(std::max<std::uint64_t>(1, count)) * kRoundSeconds / (seconds + 1e-3);
    length = std::clamp(static_cast<std::uint64_t>(std::min(fitting, 1e9)), std::uint64_t{1}, kMostRound);
    done += count;
    progress.update(done);
  }
}

/// Own queries from the `first`; those of one (source, relation) follow each other.
void ScoresRanking::State::rank_round(const detail::QueryOrder& queries, std::uint64_t first, Outcomes round) {
  std::vector<search::Query> distinct;
  std::vector<std::size_t> begin;
  for (std::size_t i = 0; i < round.size(); ++i) {
    const detail::OwnQuery query = queries.own(first + i);
    round[i] = {query.query.source, query.target, query.query.relation};
    const bool is_new = distinct.empty() || distinct.back().source != query.query.source ||
                        distinct.back().relation != query.query.relation;
    if (!is_new) continue;
    distinct.push_back(query.query);
    begin.push_back(i);
  }
  begin.push_back(round.size());
  scores_.score(distinct, [&](std::size_t q, std::span<const float> scores) {
    rank_alike(scores, round.subspan(begin[q], begin[q + 1] - begin[q]));
  });
}

std::vector<std::uint64_t> ScoresRanking::State::known_of(const search::Query& query) const {
  std::vector<std::uint64_t> known(known_.size(query));
  known_.copy(query, 0, known, kNobody);
  std::erase(known, kNobody);
  return known;
}

/// Targets of one query.
void ScoresRanking::State::rank_alike(std::span<const float> scores, Outcomes alike) const {
  const search::Query query{alike.front().source, alike.front().relation};
  const bool is_unseen_query = scores_.train_degree(query.source) == 0 ||
                               classes_[query.relation.index() % classes_.size()] == RelationClass::kUnseen;
  const std::vector<std::uint64_t> known = options_.scores_only ? std::vector<std::uint64_t>() : known_of(query);
  for (RankedQuery& outcome : alike) {
    const std::uint64_t target = outcome.target.value();
    outcome.score = scores[target];
    outcome.target_degree = scores_.train_degree(outcome.target);
    outcome.unseen = is_unseen_query || outcome.target_degree == 0;
    outcome.candidates = 1;
    if (options_.scores_only) continue;
    std::uint32_t greater = 0;
    std::uint32_t equal = 0;
    for (const float score : scores) {
      greater += score > outcome.score ? 1 : 0;
      equal += score == outcome.score ? 1 : 0;
    }
    auto others = static_cast<std::uint32_t>(scores.size() - 1);
    for (const std::uint64_t entity : known) {
      if (entity == target) continue;
      greater -= scores[entity] > outcome.score ? 1 : 0;
      equal -= scores[entity] == outcome.score ? 1 : 0;
      --others;
    }
    outcome.n_greater = greater;
    outcome.n_equal = equal - 1;  // the target itself
    outcome.candidates = others + 1;
  }
}

ScoresRanking::ScoresRanking(const search::Ranks& ranks, search::EntityScores& scores, const Options& options) {
  if (options.are_some())
    throw comm::AgreedError(ExitStatus::kUsage, "model '" + scores.name() +
                                                    "' ranks among all entities; --candidates and --candidates-where "
                                                    "are for models with vectors");
  state_ = std::make_unique<State>(ranks, scores, options);
}

ScoresRanking::~ScoresRanking() = default;

Metrics ScoresRanking::run(graph::Split split, const RankConsumer& consume) {
  const detail::QueryOrder queries(state_->ranks(), split, state_->options().max_triples);
  return state_->run(queries, fmt::format("ranking {}", graph::name(split)), consume);
}

void ScoresRanking::run(std::span<const Triple> triples, const RankConsumer& consume) {
  const detail::QueryOrder queries(state_->ranks(), triples);
  (void)state_->run(queries, state_->options().scores_only ? "scoring" : "ranking", consume);
}

std::uint64_t ScoresRanking::query_count(graph::Split split) {
  return detail::QueryOrder(state_->ranks(), split, state_->options().max_triples).size();
}

std::uint64_t ScoresRanking::block_queries() const { return state_->options().block_queries; }
const Options& ScoresRanking::options() const { return state_->options(); }
ModelLabel ScoresRanking::model() const { return state_->model(); }

}  // namespace tessera::evaluate
