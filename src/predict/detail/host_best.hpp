// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/setup.hpp"
#include "predict/detail/own_best.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::predict::detail {

/// By the threads of the host: each scores tiles of rows and keeps its best.
class HostBest final : public OwnBest {
 public:
  HostBest(const model::Setup& setup, const SearchNeeds& needs);
  void search(const SearchBlock& block, std::span<Candidate> found, std::span<std::uint32_t> sizes) override;
  [[nodiscard]] model::PairEffort effort() const override { return {}; }

  static std::uint64_t memory_bytes(std::uint64_t block_queries, std::uint64_t k, std::size_t dim, std::size_t threads);

 private:
  struct Tile {
    std::size_t part;
    std::size_t first_row;
    std::size_t rows;
  };
  BestCandidates best(std::size_t worker, std::size_t slot);
  void scan(const Tile& tile, const SearchBlock& block, std::size_t worker);

  const model::Setup& setup_;
  SearchNeeds needs_;
  std::size_t tile_rows_;
  std::vector<Tile> tiles_;
  memory::Buffer<float> scores_;          // per thread [block, tile_rows]
  memory::Buffer<Candidate> candidates_;  // per thread [block, k]
  memory::Buffer<std::uint32_t> sizes_;   // per thread [block]
};

}  // namespace tessera::predict::detail
