// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/detail/candidate_counts.hpp"
#include "memory/pool.hpp"
#include "model/setup.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::evaluate::detail {

/// On the threads of the host, where the rows are. Tiles are spread over the threads; counts are integers, so the order
/// in which they are added does not matter.
class HostCounts final : public CandidateCounts {
 public:
  HostCounts(const model::Setup& setup, std::uint64_t capacity);

  void begin() override {}
  void start(const QueryBlock& block, std::span<const float> target_scores) override;
  void finish(std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal) override;
  [[nodiscard]] model::PairEffort effort() const override { return {}; }

  static std::uint64_t memory_bytes(std::uint64_t capacity, std::size_t threads);

 private:
  struct Tile {
    std::size_t part;  ///< index among the owned parts
    std::size_t first_row;
    std::size_t rows;
  };
  void count_tile(const Tile& tile, const QueryBlock& block, std::size_t first_query,
                  std::span<const float> target_scores, std::size_t worker);

  const model::Setup& setup_;
  std::uint64_t capacity_;
  std::vector<Tile> tiles_;
  memory::Buffer<std::uint32_t> counts_;  // per thread: n_greater, then n_equal, [capacity_] each
};

}  // namespace tessera::evaluate::detail
