// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/host_counts.hpp"

#include "core/parallel.hpp"

#include <algorithm>

namespace tessera::evaluate::detail {
namespace {

constexpr std::size_t kTaskQueries = 1024;
constexpr std::size_t kTileFloats = std::size_t{1} << 16U;  // of a tile of rows: a part of the level-2 cache

}  // namespace

HostCounts::HostCounts(const model::Setup& setup, std::uint64_t capacity)
    : setup_(setup),
      capacity_(capacity),
      counts_(setup.pool.allocate<std::uint32_t>(memory::Tag::kEvaluation, setup.threads * 2 * capacity)) {
  const std::size_t tile_rows = std::clamp<std::size_t>(kTileFloats / setup.parameters.dim(), 64, 1024);
  for (std::size_t part = 0; part < setup.parameters.parts().size(); ++part) {
    const std::size_t rows = setup.parameters.parts()[part].rows.rows;
    for (std::size_t first = 0; first < rows; first += tile_rows)
      tiles_.push_back({part, first, std::min(tile_rows, rows - first)});
  }
}

std::uint64_t HostCounts::memory_bytes(std::uint64_t capacity, std::size_t threads) {
  return threads * 2 * capacity * sizeof(std::uint32_t);
}

void HostCounts::start(const QueryBlock& block, std::span<const float> target_scores) {
  std::fill(counts_.span().begin(), counts_.span().end(), 0);
  const std::size_t pieces = (block.size() + kTaskQueries - 1) / kTaskQueries;
  parallel_for(pieces * tiles_.size(), setup_.threads, [&](std::size_t task, std::size_t worker) {
    count_tile(tiles_[task / pieces], block, task % pieces * kTaskQueries, target_scores, worker);
  });
}

void HostCounts::finish(std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal) {
  for (std::size_t i = 0; i < n_greater.size(); ++i) {
    for (std::size_t worker = 0; worker < setup_.threads; ++worker) {
      n_greater[i] += counts_[2 * worker * capacity_ + i];
      n_equal[i] += counts_[(2 * worker + 1) * capacity_ + i];
    }
  }
}

void HostCounts::count_tile(const Tile& tile, const QueryBlock& block, std::size_t first_query,
                            std::span<const float> target_scores, std::size_t worker) {
  const std::size_t count = std::min(kTaskQueries, block.size() - first_query);
  const kernels::ConstMatrix rows = setup_.parameters.parts()[tile.part].rows;
  setup_.backend.ranks.count(setup_.parameters.scorer().similarity(), block.vectors().block(first_query, count),
                             rows.block(tile.first_row, tile.rows), target_scores.subspan(first_query, count),
                             counts_.span().subspan(2 * worker * capacity_ + first_query, count),
                             counts_.span().subspan((2 * worker + 1) * capacity_ + first_query, count));
}

}  // namespace tessera::evaluate::detail
