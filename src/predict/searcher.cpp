// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/searcher.hpp"

#include "comm/agreement.hpp"
#include "model/own_rows.hpp"
#include "predict/relation_search.hpp"
#include "search/known_answers.hpp"
#include "search/original_ids.hpp"
#include "search/query_vectors.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace tessera::predict {
namespace {

using memory::Tag;
using search::Candidate;

/// One of the best answers of a rank, as rank 0 receives it.
struct Found {
  Candidate candidate;
  std::uint64_t original_id;
  KnownIn known_in;
  std::uint8_t is_answer;  // 0: the rank has fewer than k
};

/// There are no more answers than entities.
SearchOptions fitted_options(const search::Setup& setup, const SearchOptions& options) {
  SearchOptions fitted = options;
  fitted.k = std::min(options.k, setup.shard.manifest.entity_count);
  return fitted;
}

std::uint64_t fitting_block(const search::Setup& setup, const SearchOptions& options) {
  const auto ranks = static_cast<std::uint64_t>(setup.comm.size());
  return search::fit_block(setup, options.block_queries, 1, [&](std::uint64_t block) {
    const bool omits = options.known == KnownAnswers::kOmit;
    return Searcher::bytes(search::host_answer_sizes(setup, block, options.k, omits), ranks);
  });
}

}  // namespace

const char* name(KnownIn known) {
  constexpr std::array<const char*, 4> kNames = {"", "train", "valid", "test"};
  return kNames.at(static_cast<std::size_t>(known));
}

KnownIn known_in(std::optional<graph::Split> split) {
  return split ? static_cast<KnownIn>(static_cast<std::uint8_t>(*split) + 1) : KnownIn::kNowhere;
}

/// Buffers of a search and its stages.
class Searcher::State {
 public:
  State(const search::Setup& setup, float row_magnitude, const SearchOptions& options,
        const search::MakeAnswerer& make_answerer, std::uint64_t block)
      : setup_(setup),
        options_(options),
        rows_(setup.shard, setup.parameters),
        known_(setup_.shard, graph::kSplits),
        row_magnitude_(row_magnitude),
        omit_known_(options.known == KnownAnswers::kOmit),
        block_(block),
        k_(options.k),
        rank_begin_(static_cast<std::size_t>(setup.comm.size()) + 1),
        vectors_(setup_, rows_, block),
        answerer_(make_answerer(setup_, {rows_, known_, omit_known_, k_, block_, options.among})),
        candidates_(setup.host.allocate<Candidate>(Tag::kEvaluation, block * k_)),
        sizes_(setup.host.allocate<std::uint32_t>(Tag::kEvaluation, block)),
        known_counts_(setup.host.allocate<std::int64_t>(Tag::kEvaluation, block)),
        own_found_(setup.host.allocate<Found>(Tag::kEvaluation, block * k_)),
        found_(
            setup.host.allocate<Found>(Tag::kEvaluation, static_cast<std::uint64_t>(setup.comm.size()) * block * k_)) {}

  std::vector<Answers> search(std::span<const search::Query> queries);
  Answers search_relations(EntityId head, EntityId tail) {
    if (!relations_) relations_ = std::make_unique<RelationSearch>(setup_, options_);
    return relations_->search(head, tail);
  }
  void read_original_ids(const std::filesystem::path& partition_folder) {
    original_ids_.emplace(setup_.comm, setup_.shard, partition_folder, setup_.host.pool());
  }
  void log_cost() { search::log_cost(setup_.comm, answerer_->cost()); }
  [[nodiscard]] std::uint64_t block_queries() const { return block_; }
  [[nodiscard]] std::uint64_t most_answers() const { return k_; }

 private:
  void order_by_owner(std::span<const search::Query> queries);
  void gather_vectors();
  void count_known();
  void search_own();
  void describe(std::size_t slot);
  [[nodiscard]] Answers merge_ranks(std::size_t slot, std::size_t slots) const;

  search::Setup setup_;
  SearchOptions options_;
  std::unique_ptr<RelationSearch> relations_;  // once a question asks for relations
  model::OwnRows rows_;
  search::KnownAnswers known_;
  std::optional<search::OriginalIds> original_ids_;
  float row_magnitude_;
  bool omit_known_;
  std::uint64_t block_;
  std::uint64_t k_;
  std::vector<std::size_t> order_;       // slot -> query of the caller; slots are in the order of the owners
  std::vector<std::size_t> rank_begin_;  // [ranks + 1] slots
  std::vector<search::Query> queries_;   // [slots]
  search::QueryVectors vectors_;         // [slots]
  std::unique_ptr<search::Answerer> answerer_;
  memory::Buffer<Candidate> candidates_;       // [slots, k_]
  memory::Buffer<std::uint32_t> sizes_;        // [slots]
  memory::Buffer<std::int64_t> known_counts_;  // [slots]
  memory::Buffer<Found> own_found_;            // [slots, k_]
  memory::Buffer<Found> found_;                // per rank [slots, k_]
};

std::vector<Answers> Searcher::State::search(std::span<const search::Query> queries) {
  TESSERA_ASSERT(queries.size() <= block_, "a block of queries above its capacity");
  order_by_owner(queries);
  gather_vectors();
  search_own();
  const std::size_t count = queries.size() * k_;
  const std::vector<std::uint64_t> bytes(static_cast<std::size_t>(setup_.comm.size()), count * sizeof(Found));
  setup_.comm.all_gather(std::as_bytes(own_found_.span().first(count)),
                         std::as_writable_bytes(found_.span().first(count * bytes.size())), bytes);
  std::vector<Answers> answers;
  if (!setup_.comm.is_root()) return answers;
  answers.resize(queries.size());
  for (std::size_t slot = 0; slot < queries.size(); ++slot) answers[order_[slot]] = merge_ranks(slot, queries.size());
  return answers;
}

void Searcher::State::order_by_owner(std::span<const search::Query> queries) {
  order_.clear();
  queries_.clear();
  for (std::size_t r = 0; r + 1 < rank_begin_.size(); ++r) {
    rank_begin_[r] = order_.size();
    for (std::size_t i = 0; i < queries.size(); ++i) {
      if (setup_.shard.owner_rank(queries[i].source) != Rank(static_cast<std::int32_t>(r))) continue;
      order_.push_back(i);
      queries_.push_back(queries[i]);
    }
  }
  rank_begin_.back() = order_.size();
}

void Searcher::State::gather_vectors() {
  const auto me = static_cast<std::size_t>(setup_.comm.rank().value());
  std::optional<Error> error;
  for (std::size_t slot = rank_begin_[me]; slot < rank_begin_[me + 1]; ++slot)
    if (!vectors_.compose(slot - rank_begin_[me], queries_[slot], row_magnitude_) && !error)
      error = Error(
          ExitStatus::kBadData,
          fmt::format("the scores of query {} are not numbers: its vector is infinite, NaN or too large; training "
                      "has diverged",
                      order_[slot] + 1));
  comm::agree(setup_.comm, error);
  vectors_.gather(rank_begin_);
}

/// Counts the known answers of each query in all splits. An answer of several splits counts several times.
void Searcher::State::count_known() {
  const auto counts = known_counts_.span().first(queries_.size());
  for (std::size_t slot = 0; slot < queries_.size(); ++slot)
    counts[slot] =
        rows_.owns(queries_[slot].source) ? static_cast<std::int64_t>(known_.size(queries_[slot])) : std::int64_t{0};
  setup_.comm.all_reduce(counts, comm::Reduction::kSum);
}

void Searcher::State::search_own() {
  if (omit_known_) count_known();
  comm::together(setup_.comm, [&] {
    answerer_->search({queries_, vectors_.vectors(), known_counts_.span().first(queries_.size())}, candidates_.span(),
                      sizes_.span());
  });
  for (std::size_t slot = 0; slot < queries_.size(); ++slot) describe(slot);
}

void Searcher::State::describe(std::size_t slot) {
  for (std::size_t i = slot * k_; i < (slot + 1) * k_; ++i) {
    own_found_[i] = {};
    if (i - slot * k_ >= sizes_[slot]) continue;
    const EntityId entity = candidates_[i].entity;
    own_found_[i] = {candidates_[i], (*original_ids_)[entity], known_in(known_.find_own(queries_[slot], entity)), 1};
  }
}

Answers Searcher::State::merge_ranks(std::size_t slot, std::size_t slots) const {
  std::vector<Found> all;
  for (std::size_t rank = 0; rank < static_cast<std::size_t>(setup_.comm.size()); ++rank)
    for (const Found& found : found_.span().subspan((rank * slots + slot) * k_, k_))
      if (found.is_answer != 0) all.push_back(found);
  const std::size_t count = std::min<std::size_t>(all.size(), k_);
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), all.end(),
                    [](const Found& a, const Found& b) { return is_better(a.candidate, b.candidate); });
  Answers answers;
  for (std::size_t i = 0; i < count; ++i)
    answers.push_back({all[i].original_id, all[i].candidate.score, all[i].known_in});
  return answers;
}

Searcher::Searcher(const search::Setup& setup, const std::filesystem::path& partition_folder,
                   const SearchOptions& options, const search::MakeAnswerer& make_answerer) {
  if (options.k == 0)
    throw comm::AgreedError(ExitStatus::kUsage, "0 answers per query were asked for; k must be at least 1");
  const SearchOptions fitted = fitted_options(setup, options);
  const float row_magnitude = model::require_finite_rows(setup.comm, setup.parameters, setup.host.workers());
  setup.parameters.make_operators(setup.host.kernels(), setup.host.workers());
  const std::uint64_t block = fitting_block(setup, fitted);
  comm::together(setup.comm,
                 [&] { state_ = std::make_unique<State>(setup, row_magnitude, fitted, make_answerer, block); });
  state_->read_original_ids(partition_folder);
}

Searcher::~Searcher() = default;

void Searcher::plan(const search::Setup& setup, const SearchOptions& options) {
  const SearchOptions fitted = fitted_options(setup, options);
  const State state(setup, 0, fitted, search::answer_on_host(), fitting_block(setup, fitted));
  (void)search::OriginalIds::take_memory(setup.shard, setup.host.pool());
}

std::uint64_t Searcher::bytes(const search::AnswerSizes& of, std::uint64_t ranks) {
  using search::host_bytes;
  const std::uint64_t block = of.sizes.block_queries;
  return host_bytes<Candidate>(block * of.k) + host_bytes<std::uint32_t>(block) + host_bytes<std::int64_t>(block) +
         host_bytes<Found>(block * of.k) + host_bytes<Found>(ranks * block * of.k) +
         search::QueryVectors::bytes(block, of.sizes.dim) +
         search::AnswererOn<kernels::Space::kHost>::bytes(of, search::plan_host_answering(of));
}

std::vector<Answers> Searcher::search(std::span<const search::Query> queries) { return state_->search(queries); }
Answers Searcher::search_relations(EntityId head, EntityId tail) { return state_->search_relations(head, tail); }
void Searcher::log_cost() { state_->log_cost(); }
std::uint64_t Searcher::block_queries() const { return state_->block_queries(); }
std::uint64_t Searcher::most_answers() const { return state_->most_answers(); }

}  // namespace tessera::predict
