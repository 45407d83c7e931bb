// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/evaluator.hpp"

#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "core/progress.hpp"
#include "evaluate/detail/candidate_lists.hpp"
#include "evaluate/detail/list_counts.hpp"
#include "evaluate/detail/pair_scorer.hpp"
#include "evaluate/detail/query_block.hpp"
#include "evaluate/detail/query_order.hpp"
#include "evaluate/detail/relation_ranges.hpp"
#include "evaluate/detail/tally.hpp"
#include "evaluate/relation_class.hpp"
#include "search/known_answers.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <optional>
#include <vector>

namespace tessera::evaluate {
namespace {

using graph::Split;
using memory::Tag;

constexpr std::uint64_t kFewestBlockQueries = 64;
constexpr std::uint64_t kListedPerQuery = 16;  // size of a round of known answers

std::span<const Split> splits_of(Filter filter) {
  return std::span(graph::kSplits).first(filter == Filter::kTrainValid ? 2 : 3);
}

std::uint64_t listed_per_round(std::uint64_t block_queries) { return kListedPerQuery * block_queries; }

std::uint64_t fitting_block(const search::Setup& setup, std::uint64_t wished) {
  return search::fit_block(setup, wished, kFewestBlockQueries,
                           [&](std::uint64_t block) { return Evaluator::bytes(search::host_sizes(setup, block)); });
}

}  // namespace

const char* name(Filter filter) { return filter == Filter::kTrainValid ? "train, valid" : "train, valid, test"; }

/// The buffers of an evaluator and the steps of one block.
class Evaluator::State {
 public:
  State(const search::Setup& setup, const Options& options, const search::MakeRanker& make_ranker, std::uint64_t block)
      : setup_(setup),
        options_(options),
        capacity_(block),
        rows_(setup.shard, setup.parameters),
        scorer_(setup_, rows_),
        block_(setup_, rows_, block),
        ranker_(options.among == nullptr ? make_ranker(setup_, block)
                                         : search::rank_on_host_among(*options.among)(setup_, block)),
        listed_(setup_, scorer_, listed_per_round(block), options.among),
        known_(setup.shard, splits_of(options.filter)),
        known_lists_(known_),
        targets_(setup.host.allocate<std::uint64_t>(Tag::kEvaluation, block)),
        positions_(setup.host.allocate<std::uint32_t>(Tag::kEvaluation, block)),
        target_scores_(setup.host.allocate<float>(Tag::kEvaluation, block)),
        reduced_(setup.host.allocate<std::int64_t>(Tag::kEvaluation, 3 * block)),
        ranked_(setup.host.allocate<RankedQuery>(Tag::kEvaluation, block)) {
    for (std::size_t i = 0; i < block; ++i) positions_[i] = static_cast<std::uint32_t>(i);
  }

  /// Collective.
  void load_candidates() {
    if (options_.candidates.given()) candidates_.emplace(setup_, rows_, known_, options_.candidates);
    if (options_.type_constrained) comm::together(setup_.comm, [&] { ranges_.emplace(setup_, rows_); });
  }
  Metrics run(const detail::QueryOrder& queries, const std::string& what, const RankConsumer& consume);
  /// Collective.
  void find_unseen_relations() {
    if (classes_.empty()) classes_ = relation_classes(setup_);
  }
  const detail::QueryOrder& order(Split split);

  [[nodiscard]] std::uint64_t capacity() const { return capacity_; }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const search::Setup& setup() const { return setup_; }
  [[nodiscard]] std::string candidate_digest() const { return candidates_ ? candidates_->digest() : std::string(); }

 private:
  /// The entities that a query is compared with one by one.
  [[nodiscard]] const detail::EntityLists& lists() const {
    return candidates_ ? static_cast<const detail::EntityLists&>(*candidates_) : known_lists_;
  }
  void require_finite_scores() const;
  void score_targets();
  void count();
  void count_others(const detail::Counts& counts);
  [[nodiscard]] detail::Counts counts() const;
  [[nodiscard]] std::uint32_t train_degree(EntityId own) const;
  [[nodiscard]] bool is_unseen(RelationId relation) const {
    return classes_[relation.index() % classes_.size()] == RelationClass::kUnseen;
  }
  std::span<const RankedQuery> rank_block();

  search::Setup setup_;
  Options options_;
  std::uint64_t capacity_;
  model::OwnRows rows_;
  detail::PairScorer scorer_;
  detail::QueryBlock block_;
  std::unique_ptr<search::Ranker> ranker_;
  detail::ListCounts listed_;
  search::KnownAnswers known_;
  detail::KnownLists known_lists_;
  std::optional<detail::CandidateLists> candidates_;
  std::optional<detail::RelationRanges> ranges_;
  std::array<std::optional<detail::QueryOrder>, 3> orders_;
  std::vector<RelationClass> classes_;  // of the relations
  memory::Buffer<std::uint64_t> targets_;
  memory::Buffer<std::uint32_t> positions_;
  memory::Buffer<float> target_scores_;
  memory::Buffer<std::int64_t> reduced_;  // first the targets, then n_greater, n_equal and n_others
  memory::Buffer<RankedQuery> ranked_;
};

Metrics Evaluator::State::run(const detail::QueryOrder& queries, const std::string& what, const RankConsumer& consume) {
  detail::Tally tally(setup_);
  if (candidates_) candidates_->require_all(queries);
  const float row_magnitude = model::require_finite_rows(setup_.comm, setup_.parameters, setup_.host.workers());
  setup_.parameters.make_operators(setup_.host.kernels(), setup_.host.workers());
  find_unseen_relations();
  ranker_->begin();
  const bool silent = !options_.show_progress || !setup_.comm.is_root();
  Progress progress(what, queries.size(), "queries", silent);
  for (std::uint64_t first = 0; first < queries.size(); first += capacity_) {
    const std::uint64_t count = std::min(capacity_, queries.size() - first);
    block_.gather(queries, lists(), row_magnitude, first, count);
    const std::span<const RankedQuery> ranked = rank_block();
    tally.add(ranked);
    if (consume) consume(ranked);
    progress.update(first + count);
  }
  search::log_cost(setup_.comm, ranker_->cost());  // some ranks may have counted elsewhere than others
  return tally.finish();
}

const detail::QueryOrder& Evaluator::State::order(Split split) {
  auto& order = orders_.at(static_cast<std::size_t>(split));
  if (!order) order.emplace(setup_, split, options_.max_triples);
  return *order;
}

std::span<const RankedQuery> Evaluator::State::rank_block() {
  require_finite_scores();
  score_targets();
  for (std::size_t i = 0; i < block_.size(); ++i) {  // reduced_ is about to be used for the counts
    const detail::QueryHeader& header = block_.headers()[i];
    RankedQuery& query = ranked_[i];
    query.source = EntityId(header.source);
    query.target = EntityId(header.target);
    query.relation = RelationId(header.relation);
    query.target_degree = static_cast<std::uint32_t>(std::bit_cast<std::uint64_t>(reduced_[i]) >> 32U);
    query.unseen = header.unseen != 0 || query.target_degree == 0 || is_unseen(query.relation);
    query.score = target_scores_[i];
  }
  count();
  const std::span<const std::int64_t> n_greater = counts().n_greater;
  const std::span<const std::int64_t> n_equal = counts().n_equal;
  const std::span<const std::int64_t> n_others = counts().n_others;
  for (std::size_t i = 0; i < block_.size(); ++i) {
    TESSERA_ASSERT(n_greater[i] >= 0 && n_equal[i] >= 0 && n_greater[i] + n_equal[i] <= n_others[i],
                   "single scores and counted scores differ");
    ranked_[i].n_greater = static_cast<std::uint32_t>(n_greater[i]);
    ranked_[i].n_equal = static_cast<std::uint32_t>(n_equal[i]);
    ranked_[i].candidates = static_cast<std::uint32_t>(n_others[i] + 1);
  }
  return ranked_.span().first(block_.size());
}

/// Every rank sees the same headers, so all of them throw or none does.
void Evaluator::State::require_finite_scores() const {
  const std::uint64_t relations = setup_.shard.manifest.relation_count;
  for (const detail::QueryHeader& header : block_.headers()) {
    if (header.magnitude_ok != 0) continue;
    const bool inverse = header.relation >= relations;
    throw comm::AgreedError(
        ExitStatus::kBadData,
        fmt::format(
            "the scores of the query ({}, relation {}{}, ?) with target {} are not numbers: the vector of the query is "
            "infinite, NaN or too large (entity ids are those of the partition); training has diverged",
            header.source, header.relation - (inverse ? relations : 0), inverse ? " inverse" : "", header.target));
  }
}

/// Each target is scored by the owner of its row, which also knows its degree; adding bit patterns, all but one of them
/// 0, spreads both.
void Evaluator::State::score_targets() {
  const std::size_t count = block_.size();
  for (std::size_t i = 0; i < count; ++i) targets_[i] = block_.headers()[i].target;
  const auto targets = targets_.span().first(count);
  const auto scores = target_scores_.span().first(count);
  const auto bits = reduced_.span().first(count);
  scorer_.score(block_.vectors(), positions_.span().first(count), targets, scores);
  for (std::size_t i = 0; i < count; ++i) {
    const EntityId target(targets[i]);
    const std::uint64_t own =
        rows_.owns(target) ? std::uint64_t{train_degree(target)} << 32U | std::bit_cast<std::uint32_t>(scores[i]) : 0;
    bits[i] = std::bit_cast<std::int64_t>(own);
  }
  setup_.comm.all_reduce(bits, comm::Reduction::kSum);
  for (std::size_t i = 0; i < count; ++i)
    scores[i] = std::bit_cast<float>(static_cast<std::uint32_t>(bits[i] & 0xFFFFFFFF));
}

std::uint32_t Evaluator::State::train_degree(EntityId own) const {
  const model::OwnRows::Place place = rows_.place(own);
  return setup_.shard.parts[place.part].train_degree()[place.row.index()];
}

detail::Counts Evaluator::State::counts() const {
  const std::size_t n = block_.size();
  return {target_scores_.span().first(n), reduced_.span().first(n), reduced_.span().subspan(n, n),
          reduced_.span().subspan(2 * n, n)};
}

/// Among all entities: all rows, less the known answers, which are taken out while a device counts. Among the entities
/// at an end of a relation: those, less the known answers. Among listed candidates: those of the lists.
void Evaluator::State::count() {
  const auto reduced = reduced_.span().first(3 * block_.size());
  std::fill(reduced.begin(), reduced.end(), 0);
  if (options_.scores_only) return;
  const detail::Counts sums = counts();
  const bool ranks_all = !candidates_ && !ranges_;
  if (ranks_all) ranker_->start(block_.vectors(), sums.target_scores);
  listed_.add(block_, lists(), candidates_ ? 1 : -1, sums);
  if (ranges_) ranges_->count(block_, sums);
  if (ranks_all) ranker_->finish(sums.n_greater, sums.n_equal);
  if (!candidates_) count_others(sums);
  setup_.comm.all_reduce(reduced, comm::Reduction::kSum);
}

/// All candidates have been compared: a target that is one of them was level with itself.
void Evaluator::State::count_others(const detail::Counts& counts) {
  const std::uint64_t first = rows_.first().value();
  const std::uint64_t all = options_.among == nullptr ? rows_.end().value() - first : options_.among->count();
  const auto own_rows = static_cast<std::int64_t>(ranges_ ? 0 : all);  // ranges have counted theirs
  const auto is_candidate = [&](std::uint64_t entity) {
    return rows_.owns(EntityId(entity)) && (options_.among == nullptr || options_.among->has(entity - first));
  };
  for (std::size_t i = 0; i < block_.size(); ++i) {
    const std::int64_t own_target = is_candidate(targets_[i]) ? 1 : 0;
    counts.n_equal[i] -= own_target;
    counts.n_others[i] += own_rows - own_target;
  }
}

Evaluator::Evaluator(const search::Setup& setup, const Options& options, const search::MakeRanker& make_ranker) {
  if (setup.shard.manifest.entity_count > std::numeric_limits<std::uint32_t>::max())
    throw comm::AgreedError(
        ExitStatus::kUsage,
        fmt::format("{} entities are more than ranks are counted for (2^32 - 1)", setup.shard.manifest.entity_count));
  const std::uint64_t block = fitting_block(setup, options.block_queries);
  comm::together(setup.comm, [&] { state_ = std::make_unique<State>(setup, options, make_ranker, block); });
  state_->load_candidates();
}

Evaluator::~Evaluator() = default;

Metrics Evaluator::run(Split split, const RankConsumer& consume) {
  return state_->run(state_->order(split), fmt::format("ranking {}", graph::name(split)), consume);
}

void Evaluator::run(std::span<const Triple> triples, const RankConsumer& consume) {
  const detail::QueryOrder queries(state_->setup(), triples);
  (void)state_->run(queries, state_->options().scores_only ? "scoring" : "ranking", consume);
}

std::uint64_t Evaluator::query_count(Split split) { return state_->order(split).size(); }

std::uint64_t Evaluator::bytes(const search::Sizes& sizes) {
  using search::host_bytes;
  const std::uint64_t block = sizes.block_queries;
  const std::uint64_t own = host_bytes<std::uint64_t>(block) + host_bytes<std::uint32_t>(block) +
                            host_bytes<float>(block) + host_bytes<std::int64_t>(3 * block) +
                            host_bytes<RankedQuery>(block);
  return own + detail::QueryBlock::bytes(block, sizes.dim) + detail::PairScorer::bytes(sizes.dim, sizes.workers) +
         search::RankerOn<kernels::Space::kHost>::bytes(sizes, search::plan_host_ranking(sizes)) +
         detail::ListCounts::bytes(listed_per_round(block));
}

std::uint64_t Evaluator::block_queries() const { return state_->capacity(); }
const Options& Evaluator::options() const { return state_->options(); }
std::string Evaluator::candidate_digest() const { return state_->candidate_digest(); }
ModelLabel Evaluator::model() const {
  const model::Parameters& parameters = state_->setup().parameters;
  return {parameters.scorer().name(), parameters.dim()};
}

}  // namespace tessera::evaluate
