// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/detail/query_vectors.hpp"

#include "comm/agreement.hpp"

#include <optional>

namespace tessera::predict::detail {

QueryVectors::QueryVectors(const model::Setup& setup, const model::OwnRows& rows, float row_magnitude,
                           std::uint64_t capacity)
    : setup_(setup),
      rows_(rows),
      row_magnitude_(row_magnitude),
      dim_(setup.parameters.dim()),
      rank_begin_(static_cast<std::size_t>(setup.comm.size()) + 1),
      counts_bytes_(static_cast<std::size_t>(setup.comm.size())),
      own_vectors_(setup.pool.allocate<float>(memory::Tag::kEvaluation, capacity * dim_)),
      vectors_(setup.pool.allocate<float>(memory::Tag::kEvaluation, capacity * dim_)) {}

void QueryVectors::gather(std::span<const SearchQuery> queries) {
  order_by_owner(queries);
  const auto me = static_cast<std::size_t>(setup_.comm.rank().value());
  const auto similarity = setup_.parameters.scorer().similarity();
  std::optional<Error> error;
  for (std::size_t slot = rank_begin_[me]; slot < rank_begin_[me + 1]; ++slot) {
    const SearchQuery& query = queries[order_[slot]];
    float* vector = own_vectors_.data() + (slot - rank_begin_[me]) * dim_;
    rows_.compose(query.source, query.relation, vector);
    if (!error && !model::scores_are_finite(similarity, model::largest_magnitude(vector, dim_), row_magnitude_, dim_))
      error = Error(
          ExitStatus::kBadData,
          fmt::format("the scores of query {} are not numbers: its vector is infinite, NaN or too large; training "
                      "has diverged",
                      order_[slot] + 1));
  }
  comm::agree(setup_.comm, error);
  for (std::size_t r = 0; r < counts_bytes_.size(); ++r)
    counts_bytes_[r] = (rank_begin_[r + 1] - rank_begin_[r]) * dim_ * sizeof(float);
  setup_.comm.all_gather(std::as_bytes(own_vectors_.span()).first(counts_bytes_[me]),
                         std::as_writable_bytes(vectors_.span().first(queries.size() * dim_)), counts_bytes_);
}

void QueryVectors::order_by_owner(std::span<const SearchQuery> queries) {
  order_.clear();
  for (std::size_t r = 0; r < counts_bytes_.size(); ++r) {
    rank_begin_[r] = order_.size();
    for (std::size_t i = 0; i < queries.size(); ++i)
      if (setup_.shard.owner_rank(queries[i].source) == Rank(static_cast<std::int32_t>(r))) order_.push_back(i);
  }
  rank_begin_.back() = order_.size();
}

}  // namespace tessera::predict::detail
