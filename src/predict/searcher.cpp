// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/searcher.hpp"

#include "comm/agreement.hpp"
#include "model/original_ids.hpp"
#include "model/own_rows.hpp"
#include "predict/detail/best_candidates.hpp"
#include "predict/detail/host_best.hpp"
#include "predict/detail/known_answers.hpp"
#include "predict/detail/own_best.hpp"
#include "predict/detail/query_vectors.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace tessera::predict {
namespace {

using detail::Candidate;
using memory::Tag;

/// What a rank tells rank 0 of one of its best.
struct Found {
  Candidate candidate;
  std::uint64_t original_id;
  KnownIn known_in;
  std::uint8_t is_answer;  // 0: the rank has fewer than k
};

/// Of a search on the host; the buffers of a device's are its own business.
std::uint64_t memory_bytes(const model::Setup& setup, std::uint64_t block, std::uint64_t k) {
  const std::uint64_t per_answer =
      (static_cast<std::uint64_t>(setup.comm.size()) + 1) * sizeof(Found) + sizeof(Candidate);
  return block * (k * per_answer + sizeof(std::uint32_t) + sizeof(std::int64_t)) +
         detail::HostBest::memory_bytes(block, k, setup.parameters.dim(), setup.threads) +
         detail::QueryVectors::memory_bytes(block, setup.parameters.dim());
}

/// The largest halving of the wished block that takes at most half of what every rank has left.
std::uint64_t fitting_block(const model::Setup& setup, const SearchOptions& options, std::uint64_t k) {
  const std::uint64_t room = (setup.pool.budget_bytes() - setup.pool.used_bytes()) / 2;
  std::uint64_t block = std::max<std::uint64_t>(1, options.block_queries);
  while (block > 1 && memory_bytes(setup, block, k) > room) block /= 2;
  return static_cast<std::uint64_t>(setup.comm.reduce(static_cast<std::int64_t>(block), comm::Reduction::kMin));
}

}  // namespace

const char* name(KnownIn known) {
  constexpr std::array<const char*, 4> kNames = {"", "train", "valid", "test"};
  return kNames.at(static_cast<std::size_t>(known));
}

/// Buffers of a search and its stages.
class Searcher::State {
 public:
  State(const model::Setup& setup, float row_magnitude, const SearchOptions& options, const MakeBest& make_best,
        std::uint64_t block)
      : setup_(setup),
        rows_(setup.shard, setup.parameters),
        known_(setup_, rows_),
        omit_known_(options.known == KnownAnswers::kOmit),
        block_(block),
        k_(options.k),
        vectors_(setup_, rows_, row_magnitude, block),
        best_(make(make_best)),
        candidates_(setup.pool.allocate<Candidate>(Tag::kEvaluation, block * k_)),
        sizes_(setup.pool.allocate<std::uint32_t>(Tag::kEvaluation, block)),
        known_counts_(setup.pool.allocate<std::int64_t>(Tag::kEvaluation, block)),
        own_found_(setup.pool.allocate<Found>(Tag::kEvaluation, block * k_)),
        found_(
            setup.pool.allocate<Found>(Tag::kEvaluation, static_cast<std::uint64_t>(setup.comm.size()) * block * k_)) {}

  std::vector<Answers> search(std::span<const SearchQuery> queries);
  void read_original_ids(const std::filesystem::path& partition_folder) {
    original_ids_.emplace(setup_.comm, setup_.shard, partition_folder, setup_.pool);
  }
  void log_effort() { model::log_effort(setup_.comm, best_->effort()); }
  [[nodiscard]] std::uint64_t block_queries() const { return block_; }
  [[nodiscard]] std::uint64_t most_answers() const { return k_; }

 private:
  std::unique_ptr<detail::OwnBest> make(const MakeBest& make_best) {
    const detail::SearchNeeds needs{rows_, known_, omit_known_, k_, block_};
    if (make_best) return make_best(setup_, needs);
    return std::make_unique<detail::HostBest>(setup_, needs);
  }
  void search_own(std::span<const SearchQuery> queries);
  void describe(std::size_t slot);
  [[nodiscard]] Answers merge_ranks(std::size_t slot, std::size_t slots) const;

  model::Setup setup_;
  model::OwnRows rows_;
  detail::KnownAnswers known_;
  std::optional<model::OriginalIds> original_ids_;
  bool omit_known_;
  std::uint64_t block_;
  std::uint64_t k_;
  detail::QueryVectors vectors_;
  std::vector<SearchQuery> queries_;  // in the order of the vectors
  std::unique_ptr<detail::OwnBest> best_;
  memory::Buffer<Candidate> candidates_;       // [slots, k_]
  memory::Buffer<std::uint32_t> sizes_;        // [slots]
  memory::Buffer<std::int64_t> known_counts_;  // [slots]
  memory::Buffer<Found> own_found_;            // [slots, k_]
  memory::Buffer<Found> found_;                // per rank [slots, k_]
};

std::vector<Answers> Searcher::State::search(std::span<const SearchQuery> queries) {
  TESSERA_ASSERT(queries.size() <= block_, "a block of queries above its capacity");
  vectors_.gather(queries);
  search_own(queries);
  const std::size_t count = queries.size() * k_;
  const std::vector<std::uint64_t> bytes(static_cast<std::size_t>(setup_.comm.size()), count * sizeof(Found));
  setup_.comm.all_gather(std::as_bytes(own_found_.span().first(count)),
                         std::as_writable_bytes(found_.span().first(count * bytes.size())), bytes);
  std::vector<Answers> answers;
  if (setup_.comm.rank() != Rank(0)) return answers;
  answers.resize(queries.size());
  for (std::size_t slot = 0; slot < queries.size(); ++slot)
    answers[vectors_.query(slot)] = merge_ranks(slot, queries.size());
  return answers;
}

void Searcher::State::search_own(std::span<const SearchQuery> queries) {
  queries_.clear();
  for (std::size_t slot = 0; slot < queries.size(); ++slot) queries_.push_back(queries[vectors_.query(slot)]);
  const auto known_counts = known_counts_.span().first(queries.size());
  if (omit_known_) known_.count(queries_, known_counts);
  comm::together(setup_.comm, [&] {
    best_->search({queries_, vectors_.vectors(), known_counts}, candidates_.span(), sizes_.span());
  });
  for (std::size_t slot = 0; slot < queries.size(); ++slot) describe(slot);
}

void Searcher::State::describe(std::size_t slot) {
  for (std::size_t i = slot * k_; i < (slot + 1) * k_; ++i) {
    own_found_[i] = {};
    if (i - slot * k_ >= sizes_[slot]) continue;
    const EntityId entity = candidates_[i].entity;
    own_found_[i] = {candidates_[i], (*original_ids_)[entity], known_.find(queries_[slot], entity), 1};
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

Searcher::Searcher(const model::Setup& setup, const std::filesystem::path& partition_folder,
                   const SearchOptions& options, const MakeBest& make_best) {
  if (options.k == 0)
    throw comm::AgreedError(ExitStatus::kUsage, "0 answers per query were asked for; k must be at least 1");
  SearchOptions fitted = options;
  fitted.k = std::min(options.k, setup.shard.manifest.entity_count);
  const float row_magnitude = model::require_finite_rows(setup.comm, setup.parameters, setup.threads);
  setup.parameters.make_operators(setup.backend, setup.threads);
  const std::uint64_t block = fitting_block(setup, fitted, fitted.k);
  comm::together(setup.comm, [&] { state_ = std::make_unique<State>(setup, row_magnitude, fitted, make_best, block); });
  state_->read_original_ids(partition_folder);
}

Searcher::~Searcher() = default;

std::vector<Answers> Searcher::search(std::span<const SearchQuery> queries) { return state_->search(queries); }
void Searcher::log_effort() { state_->log_effort(); }
std::uint64_t Searcher::block_queries() const { return state_->block_queries(); }
std::uint64_t Searcher::most_answers() const { return state_->most_answers(); }

}  // namespace tessera::predict
