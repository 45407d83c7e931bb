// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "search/query_vectors.hpp"

namespace tessera::search {

std::vector<std::size_t> offsets_by_rank(comm::Communicator& comm, std::uint64_t own) {
  const auto ranks = static_cast<std::size_t>(comm.size());
  std::vector<std::size_t> offsets(ranks + 1);
  comm.all_gather(std::as_bytes(std::span(&own, 1)), std::as_writable_bytes(std::span(offsets).subspan(1)),
                  std::vector<std::uint64_t>(ranks, sizeof(own)));
  for (std::size_t r = 0; r < ranks; ++r) offsets[r + 1] += offsets[r];
  return offsets;
}

QueryVectors::QueryVectors(const Setup& setup, const model::OwnRows& rows, std::uint64_t capacity)
    : setup_(setup),
      rows_(rows),
      dim_(setup.parameters.dim()),
      own_vectors_(setup.host.allocate<float>(memory::Tag::kEvaluation, capacity * dim_)),
      vectors_(setup.host.allocate<float>(memory::Tag::kEvaluation, capacity * dim_)) {}

std::uint64_t QueryVectors::bytes(std::uint64_t capacity, std::size_t dim) {
  return 2 * host_bytes<float>(capacity * dim);
}

bool QueryVectors::compose(std::size_t i, const Query& query, float row_magnitude) {
  float* vector = own_vectors_.data() + i * dim_;
  rows_.compose(query.source, query.relation, vector);
  return model::scores_are_finite(setup_.parameters.scorer().similarity(), model::largest_magnitude(vector, dim_),
                                  row_magnitude, dim_);
}

void QueryVectors::gather(std::span<const std::size_t> rank_begin) {
  count_ = rank_begin.back();
  std::vector<std::size_t> begin(rank_begin.begin(), rank_begin.end());  // of floats
  for (std::size_t& first : begin) first *= dim_;
  const auto me = static_cast<std::size_t>(setup_.comm.rank().value());
  gather_by_rank<float>(setup_.comm, begin, own_vectors_.span().first(begin[me + 1] - begin[me]),
                        vectors_.span().first(begin.back()));
}

}  // namespace tessera::search
