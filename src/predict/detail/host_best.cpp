// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/detail/host_best.hpp"

#include "core/parallel.hpp"

#include <algorithm>

namespace tessera::predict::detail {

using memory::Tag;

namespace {

constexpr std::size_t kTileFloats = std::size_t{1} << 16U;  // of a tile of rows: a part of the level-2 cache

std::size_t rows_per_tile(std::size_t dim) { return std::clamp<std::size_t>(kTileFloats / dim, 64, 1024); }

}  // namespace

HostBest::HostBest(const model::Setup& setup, const SearchNeeds& needs)
    : setup_(setup),
      needs_(needs),
      tile_rows_(rows_per_tile(setup.parameters.dim())),
      scores_(setup.pool.allocate<float>(Tag::kEvaluation, setup.threads * needs.block_queries * tile_rows_)),
      candidates_(setup.pool.allocate<Candidate>(Tag::kEvaluation, setup.threads * needs.block_queries * needs.k)),
      sizes_(setup.pool.allocate<std::uint32_t>(Tag::kEvaluation, setup.threads * needs.block_queries)) {
  for (std::size_t part = 0; part < setup.parameters.parts().size(); ++part) {
    const std::size_t count = setup.parameters.parts()[part].rows.rows;
    for (std::size_t first = 0; first < count; first += tile_rows_)
      tiles_.push_back({part, first, std::min(tile_rows_, count - first)});
  }
}

void HostBest::search(const SearchBlock& block, std::span<Candidate> found, std::span<std::uint32_t> sizes) {
  std::fill(sizes_.span().begin(), sizes_.span().end(), 0);
  parallel_for(tiles_.size(), setup_.threads,
               [&](std::size_t i, std::size_t worker) { scan(tiles_[i], block, worker); });
  parallel_for(block.queries.size(), setup_.threads, [&](std::size_t slot) {
    BestCandidates all = best(0, slot);
    for (std::size_t worker = 1; worker < setup_.threads; ++worker)
      for (const Candidate& candidate : best(worker, slot).found())
        if (all.wants(candidate)) all.add(candidate);
    const std::span<const Candidate> sorted = all.sort();
    std::copy(sorted.begin(), sorted.end(), found.begin() + static_cast<std::ptrdiff_t>(slot * needs_.k));
    sizes[slot] = static_cast<std::uint32_t>(sorted.size());
  });
}

BestCandidates HostBest::best(std::size_t worker, std::size_t slot) {
  const std::size_t at = worker * needs_.block_queries + slot;
  return {candidates_.span().subspan(at * needs_.k, needs_.k), sizes_[at]};
}

void HostBest::scan(const Tile& tile, const SearchBlock& block, std::size_t worker) {
  const model::PartTable& table = setup_.parameters.parts()[tile.part];
  const std::uint64_t first_entity = setup_.shard.parts[tile.part].first_entity().value() + tile.first_row;
  const kernels::Matrix scores{scores_.data() + worker * needs_.block_queries * tile_rows_, block.queries.size(),
                               tile.rows, tile_rows_};
  setup_.backend.scores.all_pairs(setup_.parameters.scorer().similarity(), block.vectors,
                                  table.rows.block(tile.first_row, tile.rows), scores);
  for (std::size_t slot = 0; slot < block.queries.size(); ++slot) {
    BestCandidates list = best(worker, slot);
    float bar = list.bar();
    for (std::size_t j = 0; j < tile.rows; ++j) {
      if (scores.row(slot)[j] < bar) continue;
      const Candidate candidate{EntityId(first_entity + j), scores.row(slot)[j]};
      if (!list.wants(candidate)) continue;
      if (needs_.omit_known && needs_.known.find(block.queries[slot], candidate.entity) != KnownIn::kNowhere) continue;
      list.add(candidate);
      bar = list.bar();
    }
  }
}

std::uint64_t HostBest::memory_bytes(std::uint64_t block_queries, std::uint64_t k, std::size_t dim,
                                     std::size_t threads) {
  return threads * block_queries * (k * sizeof(Candidate) + 4 + rows_per_tile(dim) * 4);
}

}  // namespace tessera::predict::detail
