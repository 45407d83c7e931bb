// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/searcher.hpp"

#include "comm/agreement.hpp"
#include "core/parallel.hpp"
#include "model/original_ids.hpp"
#include "model/own_rows.hpp"
#include "predict/detail/best_candidates.hpp"
#include "predict/detail/query_vectors.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace tessera::predict {
namespace {

using detail::BestCandidates;
using detail::Candidate;
using memory::Tag;

constexpr std::size_t kTileFloats = std::size_t{1} << 16U;  // of a tile of rows: a part of the level-2 cache

/// What a rank tells rank 0 of one of its best.
struct Found {
  Candidate candidate;
  std::uint64_t original_id;
  KnownIn known_in;
  std::uint8_t is_answer;  // 0: the rank has fewer than k
};

struct Tile {
  std::size_t part;
  std::size_t first_row;
  std::size_t rows;
};

std::size_t rows_per_tile(std::size_t dim) { return std::clamp<std::size_t>(kTileFloats / dim, 64, 1024); }

std::uint64_t memory_bytes(const model::Setup& setup, std::uint64_t block, std::uint64_t k) {
  const std::uint64_t per_query =
      setup.threads * (k * sizeof(Candidate) + 4 + rows_per_tile(setup.parameters.dim()) * 4) +
      (static_cast<std::uint64_t>(setup.comm.size()) + 1) * k * sizeof(Found);
  return block * per_query + detail::QueryVectors::memory_bytes(block, setup.parameters.dim());
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
  State(const model::Setup& setup, const model::OwnRows& rows, float row_magnitude, const SearchOptions& options,
        std::uint64_t block)
      : setup_(setup),
        rows_(rows),
        omit_known_(options.known == KnownAnswers::kOmit),
        block_(block),
        k_(options.k),
        tile_rows_(rows_per_tile(setup.parameters.dim())),
        vectors_(setup_, rows_, row_magnitude, block),
        scores_(setup.pool.allocate<float>(Tag::kEvaluation, setup.threads * block * tile_rows_)),
        candidates_(setup.pool.allocate<Candidate>(Tag::kEvaluation, setup.threads * block * k_)),
        sizes_(setup.pool.allocate<std::uint32_t>(Tag::kEvaluation, setup.threads * block)),
        own_found_(setup.pool.allocate<Found>(Tag::kEvaluation, block * k_)),
        found_(
            setup.pool.allocate<Found>(Tag::kEvaluation, static_cast<std::uint64_t>(setup.comm.size()) * block * k_)) {
    for (std::size_t part = 0; part < setup.parameters.parts().size(); ++part) {
      const std::size_t count = setup.parameters.parts()[part].rows.rows;
      for (std::size_t first = 0; first < count; first += tile_rows_)
        tiles_.push_back({part, first, std::min(tile_rows_, count - first)});
    }
  }

  std::vector<Answers> search(std::span<const SearchQuery> queries);
  void read_original_ids(const std::filesystem::path& partition_folder) {
    original_ids_.emplace(setup_.comm, setup_.shard, partition_folder, setup_.pool);
  }
  [[nodiscard]] std::uint64_t block_queries() const { return block_; }
  [[nodiscard]] std::uint64_t most_answers() const { return k_; }

 private:
  BestCandidates best(std::size_t worker, std::size_t slot) {
    const std::size_t at = worker * block_ + slot;
    return {candidates_.span().subspan(at * k_, k_), sizes_[at]};
  }
  void scan_tile(const Tile& tile, std::span<const SearchQuery> queries, std::size_t worker);
  void merge_workers(std::span<const SearchQuery> queries, std::size_t slot);
  [[nodiscard]] KnownIn known_in(const SearchQuery& query, EntityId answer) const;
  [[nodiscard]] Answers merge_ranks(std::size_t slot, std::size_t slots) const;

  model::Setup setup_;
  model::OwnRows rows_;
  std::optional<model::OriginalIds> original_ids_;
  bool omit_known_;
  std::uint64_t block_;
  std::uint64_t k_;
  std::size_t tile_rows_;
  detail::QueryVectors vectors_;
  std::vector<Tile> tiles_;
  memory::Buffer<float> scores_;          // per thread [block_, tile_rows_]
  memory::Buffer<Candidate> candidates_;  // per thread [block_, k_]
  memory::Buffer<std::uint32_t> sizes_;   // per thread [block_]
  memory::Buffer<Found> own_found_;       // [slots, k_]
  memory::Buffer<Found> found_;           // per rank [slots, k_]
};

std::vector<Answers> Searcher::State::search(std::span<const SearchQuery> queries) {
  TESSERA_ASSERT(queries.size() <= block_, "a block of queries above its capacity");
  vectors_.gather(queries);
  std::fill(sizes_.span().begin(), sizes_.span().end(), 0);
  parallel_for(tiles_.size(), setup_.threads,
               [&](std::size_t i, std::size_t worker) { scan_tile(tiles_[i], queries, worker); });
  parallel_for(queries.size(), setup_.threads, [&](std::size_t slot) { merge_workers(queries, slot); });
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

void Searcher::State::scan_tile(const Tile& tile, std::span<const SearchQuery> queries, std::size_t worker) {
  const model::PartTable& table = setup_.parameters.parts()[tile.part];
  const std::uint64_t first_entity = setup_.shard.parts[tile.part].first_entity().value() + tile.first_row;
  const kernels::Matrix scores{scores_.data() + worker * block_ * tile_rows_, queries.size(), tile.rows, tile_rows_};
  setup_.backend.scores.all_pairs(setup_.parameters.scorer().similarity(), vectors_.vectors(),
                                  table.rows.block(tile.first_row, tile.rows), scores);
  for (std::size_t slot = 0; slot < queries.size(); ++slot) {
    BestCandidates list = best(worker, slot);
    const SearchQuery& query = queries[vectors_.query(slot)];
    float bar = list.bar();
    for (std::size_t j = 0; j < tile.rows; ++j) {
      if (scores.row(slot)[j] < bar) continue;
      const Candidate candidate{EntityId(first_entity + j), scores.row(slot)[j]};
      if (!list.wants(candidate)) continue;
      if (omit_known_ && known_in(query, candidate.entity) != KnownIn::kNowhere) continue;
      list.add(candidate);
      bar = list.bar();
    }
  }
}

void Searcher::State::merge_workers(std::span<const SearchQuery> queries, std::size_t slot) {
  BestCandidates all = best(0, slot);
  for (std::size_t worker = 1; worker < setup_.threads; ++worker)
    for (const Candidate& candidate : best(worker, slot).found())
      if (all.wants(candidate)) all.add(candidate);
  const std::span<const Candidate> sorted = all.sort();
  const auto out = own_found_.span().subspan(slot * k_, k_);
  for (std::size_t i = 0; i < k_; ++i) {
    out[i] = {};
    if (i >= sorted.size()) continue;
    out[i] = {sorted[i], (*original_ids_)[sorted[i].entity], known_in(queries[vectors_.query(slot)], sorted[i].entity),
              1};
  }
}

/// A fact (s, r, t) is also a query (t, r^-1, ?) with target s at the owner of t.
KnownIn Searcher::State::known_in(const SearchQuery& query, EntityId answer) const {
  const auto relations = static_cast<std::uint32_t>(setup_.shard.manifest.relation_count);
  const std::uint32_t relation = query.relation.value();
  const RelationId inverse(relation < relations ? relation + relations : relation - relations);
  const model::OwnRows::Place place = rows_.place(answer);
  for (const graph::Split split : graph::kSplits) {
    const auto known = setup_.shard.parts[place.part].queries(split).known_targets(place.row, inverse);
    if (std::binary_search(known.begin(), known.end(), query.source.value()))
      return static_cast<KnownIn>(static_cast<std::uint8_t>(split) + 1);
  }
  return KnownIn::kNowhere;
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
                   const SearchOptions& options) {
  if (options.k == 0)
    throw comm::AgreedError(ExitStatus::kUsage, "0 answers per query were asked for; k must be at least 1");
  SearchOptions fitted = options;
  fitted.k = std::min(options.k, setup.shard.manifest.entity_count);
  const float row_magnitude = model::require_finite_rows(setup.comm, setup.parameters, setup.threads);
  setup.parameters.make_operators(setup.backend, setup.threads);
  const std::uint64_t block = fitting_block(setup, fitted, fitted.k);
  comm::together(setup.comm, [&] {
    state_ =
        std::make_unique<State>(setup, model::OwnRows(setup.shard, setup.parameters), row_magnitude, fitted, block);
  });
  state_->read_original_ids(partition_folder);
}

Searcher::~Searcher() = default;

std::vector<Answers> Searcher::search(std::span<const SearchQuery> queries) { return state_->search(queries); }
std::uint64_t Searcher::block_queries() const { return state_->block_queries(); }
std::uint64_t Searcher::most_answers() const { return state_->most_answers(); }

}  // namespace tessera::predict
