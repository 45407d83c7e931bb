// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/pairs.hpp"

#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/progress.hpp"
#include "core/text.hpp"
#include "predict/detail/found_pairs.hpp"
#include "search/best_pairs.hpp"
#include "search/known_answers.hpp"
#include "search/query_vectors.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>

namespace tessera::predict {
namespace {

using search::Query;

/// A search and its buffers.
class PairSearch {
 public:
  PairSearch(const search::Setup& setup, const PairOptions& options, float row_magnitude, std::uint64_t block)
      : setup_(setup),
        options_(options),
        row_magnitude_(row_magnitude),
        rows_(setup.shard, setup.parameters),
        known_(setup.shard, graph::kSplits),
        vectors_(setup, rows_, block),
        queries_(setup.host.allocate<Query>(memory::Tag::kEvaluation, block)),
        best_(setup, needs(block), setup.parameters.scorer().similarity()),
        heads_of_rank_(block / static_cast<std::uint64_t>(setup.comm.size())) {}

  static std::uint64_t bytes(const search::Sizes& sizes, std::uint64_t k) {
    return search::QueryVectors::bytes(sizes.block_queries, sizes.dim) +
           search::host_bytes<Query>(sizes.block_queries) + search::BestPairs::bytes(sizes, k);
  }

  /// Collective.
  void run();
  [[nodiscard]] std::vector<detail::RankPair> own_best() const;

 private:
  [[nodiscard]] search::PairNeeds needs(std::uint64_t block) const;
  std::vector<Query> next_heads();
  void gather(std::span<const Query> own);
  [[nodiscard]] std::uint64_t own_heads() const {
    return options_.heads != nullptr ? options_.heads->count() : rows_.end().value() - rows_.first().value();
  }

  search::Setup setup_;
  PairOptions options_;
  float row_magnitude_;
  model::OwnRows rows_;
  search::KnownAnswers known_;
  search::QueryVectors vectors_;
  memory::Buffer<Query> queries_;
  search::BestPairs best_;
  std::vector<std::size_t> rank_begin_;  // [ranks + 1] queries of a block
  std::uint64_t heads_of_rank_;          // at most, in a block
  std::uint64_t next_row_ = 0;           // among the own rows
};

search::PairNeeds PairSearch::needs(std::uint64_t block) const {
  search::PairNeeds needs{rows_, options_.k, block, options_.tails};
  if (options_.known == KnownAnswers::kOmit)
    needs.omits = [this](const Query& query, EntityId tail) { return known_.find_own(query, tail).has_value(); };
  return needs;
}

void PairSearch::run() {
  const auto start = std::chrono::steady_clock::now();
  const std::uint64_t all =
      static_cast<std::uint64_t>(setup_.comm.reduce(static_cast<std::int64_t>(own_heads()), comm::Reduction::kSum));
  Progress progress("comparing", all, "heads", !options_.show_progress || !setup_.comm.is_root());
  for (std::uint64_t done = 0; done < all;) {
    gather(next_heads());
    const std::size_t count = rank_begin_.back();
    best_.add(queries_.span().first(count), vectors_.vectors());
    progress.update(done += count);
  }
  progress.finish();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (setup_.comm.is_root())
    log::info("compared {} heads with all tails in {:.3f} s", text::with_thousands(all), seconds);
}

/// The next own heads, in the order of their ids.
std::vector<Query> PairSearch::next_heads() {
  std::vector<Query> heads;
  const std::uint64_t rows = rows_.end().value() - rows_.first().value();
  for (; next_row_ < rows && heads.size() < heads_of_rank_; ++next_row_)
    if (options_.heads == nullptr || options_.heads->has(next_row_))
      heads.push_back({EntityId(rows_.first().value() + next_row_), options_.relation});
  return heads;
}

/// Collective. Makes a block of the own heads of all ranks.
void PairSearch::gather(std::span<const Query> own) {
  rank_begin_ = search::offsets_by_rank(setup_.comm, own.size());
  search::gather_by_rank<Query>(setup_.comm, rank_begin_, own, queries_.span().first(rank_begin_.back()));
  comm::together(setup_.comm, [&] {
    for (std::size_t i = 0; i < own.size(); ++i)
      if (!vectors_.compose(i, own[i], row_magnitude_))
        fail(ExitStatus::kBadData,
             "the scores of entity {} (its id in the partition) are not numbers: the vector of its query is infinite, "
             "NaN or too large; training has diverged",
             own[i].source.value());
  });
  vectors_.gather(rank_begin_);
}

std::vector<detail::RankPair> PairSearch::own_best() const {
  std::vector<detail::RankPair> pairs;
  for (const search::Pair& pair : best_.best())
    pairs.push_back({pair, known_in(known_.find_own({pair.source, options_.relation}, pair.target))});
  return pairs;
}

}  // namespace

std::vector<FoundPair> best_pairs(const search::Setup& setup, const std::filesystem::path& partition_folder,
                                  const PairOptions& options) {
  if (options.k == 0) throw comm::AgreedError(ExitStatus::kUsage, "0 pairs were asked for; k must be at least 1");
  const float row_magnitude = model::require_finite_rows(setup.comm, setup.parameters, setup.host.workers());
  setup.parameters.make_operators(setup.host.kernels(), setup.host.workers());
  const auto ranks = static_cast<std::uint64_t>(setup.comm.size());
  const std::uint64_t block = search::fit_block(
      setup, std::max(options.block_heads, ranks), ranks,
      [&](std::uint64_t heads) { return PairSearch::bytes(search::host_sizes(setup, heads), options.k); });
  std::optional<PairSearch> search;
  comm::together(setup.comm, [&] { search.emplace(setup, options, row_magnitude, block); });
  search->run();
  const std::vector<detail::RankPair> best = detail::merge_pairs(setup.comm, search->own_best(), options.k);
  return detail::with_original_ids(setup, partition_folder, best);
}

}  // namespace tessera::predict
