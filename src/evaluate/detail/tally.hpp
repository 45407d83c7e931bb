// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/metrics.hpp"
#include "search/setup.hpp"
#include "storage/checksum.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <span>

namespace tessera::evaluate::detail {

/// The metrics of a run, which begins when this is made.
class Tally {
 public:
  explicit Tally(const search::Ranks& ranks)
      : entities_(ranks.shard.manifest.entity_count), sum_(ranks.shard.manifest.relation_count) {}

  void add(std::span<const RankedQuery> queries) {
    for (const RankedQuery& query : queries) {
      sum_.add(query);
      const std::array<std::uint32_t, 2> pair = {query.n_greater, query.n_equal};
      hasher_.add(std::as_bytes(std::span(pair)));
    }
  }

  [[nodiscard]] Metrics finish() {
    Metrics metrics = sum_.mean();
    metrics.entities = entities_;
    metrics.rank_digest = hasher_.digest().hex();
    metrics.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    return metrics;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::uint64_t entities_;
  MetricsSum sum_;
  storage::Hasher hasher_;
};

}  // namespace tessera::evaluate::detail
