// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/matrix.hpp"
#include "memory/pool.hpp"
#include "model/own_rows.hpp"
#include "search/setup.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::search {

/// Collective. all[rank_begin[r]] .. all[rank_begin[r + 1] - 1] = the `own` values of rank r.
template <class T>
void gather_by_rank(comm::Communicator& comm, std::span<const std::size_t> rank_begin, std::span<const T> own,
                    std::span<T> all) {
  std::vector<std::uint64_t> bytes(rank_begin.size() - 1);
  for (std::size_t r = 0; r < bytes.size(); ++r) bytes[r] = (rank_begin[r + 1] - rank_begin[r]) * sizeof(T);
  comm.all_gather(std::as_bytes(own), std::as_writable_bytes(all), bytes);
}

/// Collective. [ranks + 1] offsets: the `own` things of rank r are those from [r] to [r + 1] of all.
std::vector<std::size_t> offsets_by_rank(comm::Communicator& comm, std::uint64_t own);

/// The query vectors of a block on every rank: composed by the owners of the sources, in the order of the ranks.
class QueryVectors {
 public:
  QueryVectors(const Setup& setup, const model::OwnRows& rows, std::uint64_t capacity);
  static std::uint64_t bytes(std::uint64_t capacity, std::size_t dim);

  /// Composes the i-th query of the block that this rank owns the source of. `row_magnitude` is the largest of any
  /// entity row; false when a score could be no number. Different i may be composed at the same time.
  bool compose(std::size_t i, const Query& query, float row_magnitude);
  /// Collective. Queries rank_begin[r] .. rank_begin[r + 1] - 1 of the block are those of rank r.
  void gather(std::span<const std::size_t> rank_begin);
  /// [queries of the block, dim].
  [[nodiscard]] kernels::ConstMatrix vectors() const { return {vectors_.data(), count_, dim_, dim_}; }

 private:
  const Setup& setup_;
  const model::OwnRows& rows_;
  std::size_t dim_;
  std::size_t count_ = 0;
  memory::Buffer<float> own_vectors_;
  memory::Buffer<float> vectors_;
};

}  // namespace tessera::search
