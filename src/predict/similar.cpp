// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/similar.hpp"

#include "comm/agreement.hpp"
#include "core/parallel.hpp"
#include "predict/detail/found_pairs.hpp"
#include "search/best_pairs.hpp"

#include <array>
#include <cmath>
#include <optional>

namespace tessera::predict {
namespace {

constexpr std::array<Nearness, 3> kAll = {Nearness::kCosine, Nearness::kDot, Nearness::kDistance};
constexpr std::uint64_t kRowsAtOnce = 4096;

kernels::Similarity similarity_of(Nearness by) {
  return by == Nearness::kDistance ? kernels::Similarity::kNegativeL2 : kernels::Similarity::kDot;
}

/// 1 / |row|, summed in order in double; 0 for a row of zeros.
float inverse_norm(std::span<const float> row) {
  double sum = 0;
  for (const float value : row) sum += static_cast<double>(value) * static_cast<double>(value);
  return sum > 0 ? static_cast<float>(1 / std::sqrt(sum)) : 0.0F;
}

/// A search for one entity at a time.
class SimilarSearch {
 public:
  SimilarSearch(const search::Setup& setup, const SimilarOptions& options)
      : setup_(setup),
        options_(options),
        rows_(setup.shard, setup.parameters),
        row_count_(rows_.end().value() - rows_.first().value()),
        factors_(setup.host.allocate<float>(memory::Tag::kEvaluation, is_cosine() ? row_count_ : 0)),
        vector_(setup.parameters.dim()),
        best_(setup, needs(), similarity_of(options.by)) {
    if (is_cosine()) measure_rows();
  }

  /// Collective.
  std::vector<detail::RankPair> nearest(EntityId entity);

 private:
  [[nodiscard]] bool is_cosine() const { return options_.by == Nearness::kCosine; }
  [[nodiscard]] search::PairNeeds needs() const {
    search::PairNeeds needs{rows_, options_.k, 1, options_.among};
    if (is_cosine()) needs.row_factors = factors_.span().first(row_count_);
    needs.omits = [](const search::Query& query, EntityId target) { return query.source == target; };
    return needs;
  }
  void measure_rows();

  search::Setup setup_;
  SimilarOptions options_;
  model::OwnRows rows_;
  std::uint64_t row_count_;
  memory::Buffer<float> factors_;  // [own rows] 1 / |row|, for cosines
  std::vector<float> vector_;      // [dim]
  search::BestPairs best_;
};

void SimilarSearch::measure_rows() {
  const std::uint64_t blocks = (row_count_ + kRowsAtOnce - 1) / kRowsAtOnce;
  parallel_for(blocks, setup_.host.workers(), [&](std::size_t block) {
    std::vector<float> row(setup_.parameters.dim());
    for (std::uint64_t i = block * kRowsAtOnce; i < std::min(row_count_, (block + 1) * kRowsAtOnce); ++i) {
      rows_.read(EntityId(rows_.first().value() + i), row.data());
      factors_[i] = inverse_norm(row);
    }
  });
}

std::vector<detail::RankPair> SimilarSearch::nearest(EntityId entity) {
  if (rows_.owns(entity)) {
    rows_.read(entity, vector_.data());
    const float factor = is_cosine() ? inverse_norm(vector_) : 1.0F;
    for (float& value : vector_) value *= factor;
  }
  setup_.comm.broadcast_values(std::span(vector_), setup_.shard.owner_rank(entity));
  const search::Query query{entity, RelationId(0)};
  best_.clear();
  comm::together(setup_.comm, [&] {
    best_.add(std::span(&query, 1), {vector_.data(), 1, vector_.size(), vector_.size()});
  });
  std::vector<detail::RankPair> found;
  for (const search::Pair& pair : best_.best()) found.push_back({pair});
  return found;
}

}  // namespace

const char* name(Nearness nearness) {
  constexpr std::array<const char*, 3> kNames = {"cosine", "dot", "distance"};
  return kNames.at(static_cast<std::size_t>(nearness));
}

Nearness find_nearness(const std::string& word) {
  for (const Nearness nearness : kAll)
    if (word == name(nearness)) return nearness;
  fail(ExitStatus::kUsage, "'{}' is no way to compare rows; the ways are: cosine, dot, distance", word);
}

std::vector<FoundPair> find_similar(const search::Setup& setup, const std::filesystem::path& partition_folder,
                                    std::span<const EntityId> entities, const SimilarOptions& options) {
  if (options.k == 0) throw comm::AgreedError(ExitStatus::kUsage, "0 entities were asked for; k must be at least 1");
  (void)model::require_finite_rows(setup.comm, setup.parameters, setup.host.workers());
  std::optional<SimilarSearch> search;
  comm::together(setup.comm, [&] { search.emplace(setup, options); });
  std::vector<detail::RankPair> all;
  for (const EntityId entity : entities) {
    const std::vector<detail::RankPair> found = detail::merge_pairs(setup.comm, search->nearest(entity), options.k);
    all.insert(all.end(), found.begin(), found.end());
  }
  return detail::with_original_ids(setup, partition_folder, all);
}

}  // namespace tessera::predict
